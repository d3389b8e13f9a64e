"""The control plane's side of the gateway protocol (docs/spec/gateway-protocol.md). A gateway is believed for its signature only."""
