#!/bin/sh
# For ufw, the firewall of Ubuntu: sudo sh @FILE@
set -e
@UFW@
