# The image holds one static binary, runs as nobody with a read-only root, and keeps its
# state in /data.
#   docker build -t wasmp2pchat .                                       # for this machine
#   docker buildx build --platform linux/amd64,linux/arm64 -t NAME --push .
# configs has compose files, on the network of the machine and with published ports.

# The compiler runs on the machine that builds, whichever machine it builds for.
FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN make client
ARG TARGETOS TARGETARCH
RUN GOOS=$TARGETOS GOARCH=$TARGETARCH make build && mkdir /data

FROM scratch
COPY --from=build /src/bin/wasmp2pchat /wasmp2pchat
COPY --from=build --chown=65532:65532 --chmod=0700 /data /data
USER 65532:65532
ENV WASMP2PCHAT_STATE_DIR=/data
VOLUME /data
# Page, WebSockets and TURN with a DOMAIN and without one; STUN and TURN. The relay ports (49152-65535/udp) are
# reachable with --network host; publishing so many of them is slow.
EXPOSE 443/tcp 443/udp 80/tcp 8080/tcp 3478/tcp 3478/udp
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["/wasmp2pchat", "health"]
ENTRYPOINT ["/wasmp2pchat"]
CMD ["serve"]
