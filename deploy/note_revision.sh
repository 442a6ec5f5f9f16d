#!/bin/sh
# Anota em var/ a revisão que a web roda, e a que rodava antes dela: é a esta que rollback.sh volta.
# flowlog-web.service o chama, na pasta do código, a cada vez que ela subiu.
set -eu
git rev-parse HEAD >var/web-revision.new
if [ -f var/web-revision ] && ! cmp -s var/web-revision var/web-revision.new; then
    mv var/web-revision var/former-revision
fi
mv var/web-revision.new var/web-revision
