#!/usr/bin/env bash
# Installs the Debian packages that the tests with real clients and the bench use. Without apt or root it says what is missing
# and leaves: the tests that need a part skip themselves.
set -u
packages=(curl dovecot-imapd dovecot-lmtpd fetchmail getmail6 gsasl isync ldnsutils libnet-ssleay-perl libsasl2-modules neomutt nftables offlineimap3 opendkim openssl php-cli php-mbstring postfix python3-venv rspamd swaks thunderbird xvfb unbound)

missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "debian.sh: no apt-get here; not installed: ${missing[*]}" >&2
  exit 1
fi
root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! sudo -n true 2>/dev/null; then
    echo "debian.sh: needs root: sudo apt-get install ${missing[*]}" >&2
    exit 1
  fi
  root=(sudo -n)
fi

# The packages' own servers stay off: the tests start what they need, with settings of their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
  "${root[@]}" chmod 755 "$policy"
  trap '"${root[@]}" rm -f "$policy"' EXIT
fi
# Postfix asks what to set up: nothing.
echo 'postfix postfix/main_mailer_type select No configuration' | "${root[@]}" debconf-set-selections
"${root[@]}" apt-get update -qq &&
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
  {
    echo "debian.sh: apt-get could not install ${missing[*]}" >&2
    exit 1
  }
