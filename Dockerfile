# The image holds one static binary, runs as nobody, and keeps its state in /data.
#   docker build -t wasmp2pchat .
#   sudo sysctl net.ipv4.ip_unprivileged_port_start=80   # on the host: nobody may have 80 and 443
#   docker run --network host -v wasmp2pchat:/data -e WASMP2PCHAT_DOMAIN=chat.example.org wasmp2pchat

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN make build && mkdir /data

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
