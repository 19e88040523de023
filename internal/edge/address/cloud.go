package address

import (
	"io/fs"
	"strings"
)

// Cloud is a provider whose machines can ask for their own addresses.
type Cloud string

// The clouds that are known.
const (
	AWS          Cloud = "aws"
	GCP          Cloud = "gcp"
	Azure        Cloud = "azure"
	OCI          Cloud = "oci"
	Hetzner      Cloud = "hetzner"
	DigitalOcean Cloud = "digitalocean"
)

// Clouds lists them all.
func Clouds() []Cloud { return []Cloud{AWS, GCP, Azure, OCI, Hetzner, DigitalOcean} }

// maxDMIBytes bounds what is read of one field of the firmware.
const maxDMIBytes = 256

// azureAssetTag is what the firmware of every Azure machine says, and of no
// other Hyper-V machine.
const azureAssetTag = "7783-7084-3265-9085-8269-3286-77"

// named is the cloud that the firmware names, in the fields that every user may
// read; these are the same that cloud-init's ds-identify looks at.
func named(dmi fs.FS) (cloud Cloud, ok bool) {
	vendor := field(dmi, "sys_vendor")
	product := field(dmi, "product_name")
	asset := field(dmi, "chassis_asset_tag")
	switch {
	case vendor == "Amazon EC2", strings.HasSuffix(field(dmi, "bios_version"), ".amazon"): // the latter on Xen, such as 4.11.amazon
		return AWS, true
	case product == "Google Compute Engine":
		return GCP, true
	case asset == azureAssetTag:
		return Azure, true
	case asset == "OracleCloud.com":
		return OCI, true
	case vendor == "Hetzner":
		return Hetzner, true
	case vendor == "DigitalOcean":
		return DigitalOcean, true
	}
	return "", false
}

// field is one line of the firmware, or nothing.
func field(dmi fs.FS, name string) string {
	f, err := dmi.Open(name)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	text := make([]byte, maxDMIBytes)
	n, _ := f.Read(text) // a field is one short line: one read has it
	return strings.TrimSpace(string(text[:n]))
}
