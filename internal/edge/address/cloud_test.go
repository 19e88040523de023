package address

import (
	"strings"
	"testing"
	"testing/fstest"
)

// firmware is a folder such as /sys/class/dmi/id.
func firmware(fields map[string]string) fstest.MapFS {
	dmi := fstest.MapFS{}
	for name, text := range fields {
		dmi[name] = &fstest.MapFile{Data: []byte(text + "\n")}
	}
	return dmi
}

// cloudFirmware is what the machines of a cloud say, by the clouds' own
// documentation and cloud-init's.
func cloudFirmware(cloud Cloud) fstest.MapFS {
	return firmware(map[Cloud]map[string]string{
		AWS:          {"sys_vendor": "Amazon EC2", "product_name": "t3.micro", "board_asset_tag": "i-0123456789abcdef0", "chassis_asset_tag": "Amazon EC2"},
		GCP:          {"sys_vendor": "Google", "product_name": "Google Compute Engine"},
		Azure:        {"sys_vendor": "Microsoft Corporation", "product_name": "Virtual Machine", "chassis_asset_tag": azureAssetTag},
		OCI:          {"sys_vendor": "QEMU", "product_name": "Standard PC (i440FX + PIIX, 1996)", "chassis_asset_tag": "OracleCloud.com"},
		Hetzner:      {"sys_vendor": "Hetzner", "product_name": "vServer"},
		DigitalOcean: {"sys_vendor": "DigitalOcean", "product_name": "Droplet"},
	}[cloud])
}

func TestTheFirmwareNamesItsCloud(t *testing.T) {
	t.Parallel()
	for _, cloud := range Clouds() {
		if got, ok := named(cloudFirmware(cloud)); got != cloud || !ok {
			t.Errorf("named(firmware of %s) = %q, %v", cloud, got, ok)
		}
	}
	xen := firmware(map[string]string{"sys_vendor": "Xen", "product_name": "HVM domU", "bios_version": "4.11.amazon"})
	if got, ok := named(xen); got != AWS || !ok {
		t.Errorf("named(an older machine of AWS) = %q, %v", got, ok)
	}
}

func TestOtherFirmwareNamesNoCloud(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]map[string]string{
		"nothing to read":        {},
		"a PC":                   {"sys_vendor": "LENOVO", "product_name": "20XW", "chassis_asset_tag": "No Asset Information"},
		"KVM":                    {"sys_vendor": "QEMU", "product_name": "Standard PC (Q35 + ICH9, 2009)", "bios_version": "1.16.3-debian-1.16.3-2"},
		"VMware":                 {"sys_vendor": "VMware, Inc.", "product_name": "VMware Virtual Platform", "chassis_asset_tag": "No Asset Tag"},
		"Hyper-V at home":        {"sys_vendor": "Microsoft Corporation", "product_name": "Virtual Machine", "chassis_asset_tag": "3217-0000-1111"},
		"a notebook of Google":   {"sys_vendor": "Google", "product_name": "Eve"},
		"another cloud like EC2": {"sys_vendor": "3DS Outscale", "product_name": "3DS Outscale VM"},
		"a line without end":     {"sys_vendor": "Hetzner" + strings.Repeat("x", 1<<20)},
	} {
		if got, ok := named(firmware(fields)); ok {
			t.Errorf("%s: named() = %q, want none", name, got)
		}
	}
}
