#!/bin/sh
# Makes the certificates of the fault server anew: an authority made up for tests with three server certificates, and
# that of a proxy that inspects, with one. The keys guard nothing; those of the authorities are thrown away.
set -eu
cd "$(dirname "$0")"

ends=21250101000000Z
found() { # name of an authority, what it is called
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 36500 -subj "/CN=$2" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -keyout "$1.key" -out "$1.pem" 2>/dev/null
}

touch index.txt
printf '[ca]\ndefault_ca=c\n[c]\ndatabase=index.txt\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\nrand_serial=yes\n[p]\ncommonName=supplied\n' > ca.conf

certify() { # authority, name, subject alternative name, begin, end
    authority=$1
    shift
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -subj "/CN=$1" \
        -keyout "$1.key" -out "$1.csr" 2>/dev/null
    printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nsubjectAltName=%s\n' "$2" > "$1.ext"
    openssl ca -batch -notext -config ca.conf -cert "$authority.pem" -keyfile "$authority.key" -in "$1.csr" -out "$1.crt" \
        -extfile "$1.ext" -startdate "$3" -enddate "$4" 2>/dev/null
    cat "$1.crt" "$1.key" > "$1.pem"
}

found authority "Authority for tests"
found inspector "Inspecting proxy for tests"
certify authority right "IP:127.0.0.1,DNS:localhost" 20250101000000Z "$ends"
certify authority expired "IP:127.0.0.1,DNS:localhost" 20010101000000Z 20020101000000Z
certify authority elsewhere "DNS:register.example" 20250101000000Z "$ends"
certify inspector inspected "IP:127.0.0.1,DNS:localhost" 20250101000000Z "$ends"
rm -f ./*.key ./*.csr ./*.crt ./*.ext ca.conf index.txt* ./[0-9A-F]*.pem
