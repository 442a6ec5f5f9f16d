#!/usr/bin/env bash
# Faz do código que está no clone a release que os serviços iniciam, se foi quem administra que os reiniciou depois de
# um git pull ou git checkout: assim o guia, à mão, vale como está escrito. Quando é o servidor que liga, ou um
# processo que caiu e volta, nada muda: roda o que rodava. As unidades o chamam, como flowlog, antes de cada início.
# install.sh o põe, com o que ele usa, numa pasta que só root muda, para que sirva também com código antigo no clone.
#
# Uso: take_over.sh UNIDADE | --first
set -euo pipefail
umask 022

ROOT=/opt/flowlog
HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source=deploy/lib.sh
source "$HERE/lib.sh"
# shellcheck source=deploy/release_folders.sh
source "$HERE/release_folders.sh"

# Se alguém reiniciou a unidade $1: não é o primeiro início desde que o servidor ligou, e o systemd não contou mais um
# início por conta própria.
by_hand() {
    local note=$ROOT/var/started-$1 boot starts known_boot="" known_starts=0
    boot=$(cat /proc/sys/kernel/random/boot_id)
    starts=$(systemctl show --property=NRestarts --value "$1")
    [ ! -f "$note" ] || read -r known_boot known_starts <"$note"
    printf '%s %s\n' "$boot" "$starts" >"$note"
    [ "$boot" = "$known_boot" ] && [ "$starts" -le "$known_starts" ]
}

keep() {
    [ -z "${NEW:-}" ] || rm -rf "$NEW"
    [ "$UNIT" != --first ] || die "$*"
    log "AVISO: os serviços iniciam o que rodava, e não o que está no clone, $(short "$HEAD"): $*"
    exit
}

main() {
    UNIT=$1
    cd "$ROOT"
    [ "$UNIT" = --first ] || by_hand "$UNIT" || exit 0
    HEAD=$(git rev-parse HEAD)
    CHANGES=$(git status --porcelain)
    [ "$UNIT" = --first ] || [ -n "$CHANGES" ] || [ "$HEAD" != "$(release_revision current)" ] || exit 0
    # deploy.sh e rollback.sh, que têm a trava, sabem o que iniciam.
    exec 9>>var/deploy.lock
    open_log "$ROOT/logs/deploy.log"
    flock --nonblock 9 || { [ "$UNIT" != --first ] || die "um deploy está em curso."; exit 0; }
    [ "$UNIT" = --first ] || [ -z "$CHANGES" ] || keep "há mudanças feitas à mão nele; veja git status."
    NEW=$(new_release "$HEAD")
    { unpack_release "$NEW" "$HEAD" && finish_release "$NEW" "$HEAD"; } || keep "não foi possível preparar a pasta dela (acima)."
    [ "$UNIT" = --first ] || (cd "$NEW" && .venv/bin/python manage.py migrate --check >/dev/null) ||
        keep "faltam migrations, ou o banco não responde. Depois de python manage.py migrate, reinicie outra vez."
    switch_to "$NEW"
    prune_releases
    [ "$UNIT" = --first ] || log "Reinício de $UNIT à mão: os serviços iniciam a revisão $(short "$HEAD"), que está no clone."
}

main "$@"
