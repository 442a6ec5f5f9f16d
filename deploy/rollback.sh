#!/usr/bin/env bash
# Volta a uma revisão anterior e reinicia os serviços na hora. O esquema do banco fica como está.
set -euo pipefail
umask 022

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# shellcheck source=deploy/lib.sh
source "$ROOT/deploy/lib.sh"
# shellcheck source=deploy/release_folders.sh
source "$ROOT/deploy/release_folders.sh"
# shellcheck source=deploy/release_steps.sh
source "$ROOT/deploy/release_steps.sh"

help() {
    cat <<'TEXT'
Uso: sudo -u flowlog deploy/rollback.sh [TAG|HASH] [--yes]

Sem TAG ou HASH volta à revisão que rodava antes da última troca (veja logs/deploy.log).
  --yes     não pergunta, nem quando a revisão antiga pode precisar de um esquema que não existe mais
TEXT
}

read_options() {
    TARGET="" YES=""
    while [ $# -gt 0 ]; do
        case $1 in
            -h | --help) help; exit ;;
            --yes) YES=1 ;;
            -*) usage_error "opção desconhecida: $1" ;;
            *)
                [ -z "$TARGET" ] || usage_error "uma revisão só, não \"$TARGET\" e \"$1\"."
                TARGET=$1
                ;;
        esac
        shift
    done
}

find_target() {
    TARGET=${TARGET:-$(release_revision previous)} ||
        usage_error "não se sabe o que rodava antes: diga a que TAG ou HASH voltar."
    # Uma tag pode ter nascido depois do código que ela nomeia.
    COMMIT=$(git rev-parse --quiet --verify "$TARGET^{commit}") ||
        { git fetch --quiet --force --tags origin && COMMIT=$(git rev-parse --quiet --verify "$TARGET^{commit}"); } ||
        usage_error "não há revisão \"$TARGET\" aqui. Veja: sudo -u $APP_USER git -C $ROOT tag"
    check_releases
    # De warn_about_schema também.
    NEWEST=$(release_revision current)
    [ "$COMMIT" != "$NEWEST" ] || usage_error "\"$TARGET\" é a revisão que já roda."
    check_clean
}

confirm() {
    [ -z "$YES" ] && [ -t 0 ] || return 0
    read -r -p "Voltar a $TARGET agora? [s/N] " answer
    [[ $answer =~ ^[sS] ]] || die "nada foi feito."
}

# A pasta da revisão, se já rodou aqui há pouco, serve como está: nem a rede é precisa.
make_ready() {
    NEW=$(find_release "$COMMIT") && return
    NEW=$(new_release "$COMMIT")
    step "Pasta da revisão: $NEW" unpack_release "$NEW" "$COMMIT" || return
    step "Bibliotecas" install_requirements "$NEW" || log "Continuo: ela roda com as que há."
    step "Arquivos estáticos (collectstatic)" finish_release "$NEW" "$COMMIT" && step "O código carrega?" manage check
}

main() {
    read_options "$@"
    become_app_user "$@"
    outlive_terminal
    open_log "$ROOT/logs/deploy.log"
    take_lock "$ROOT/var/deploy.lock"
    find_target
    log "Rollback por ${SUDO_USER:-$(id -un)}: $(short "$NEWEST") → $(short "$COMMIT") ($TARGET)"
    warn_about_schema "$COMMIT"
    confirm
    trap '' INT TERM
    make_ready || { rm -rf "$NEW"; die "a pasta da revisão $(short "$COMMIT") não pôde ser preparada (acima); nada mudou."; }
    # O clone acompanha, que um reinício à mão põe no lugar a revisão que está nele. O próximo deploy volta sozinho ao ramo.
    BRANCH=$(git symbolic-ref --quiet --short HEAD || branch_before_rollback) || BRANCH=main
    git checkout --quiet --detach "$COMMIT"
    printf '%s %s\n' "$COMMIT" "$BRANCH" >"$ROOT/var/rolled-back"
    switch_to "$NEW"
    { step "Reinício da web e dos dois workers" restart_services && step "A web responde?" web_answers 60; } ||
        die "o código voltou, mas os serviços não: veja systemctl status 'flowlog-*'"
    step "Bibliotecas do clone" refresh_clone || log "Continuo: só quem digita comandos em $ROOT as usa."
    prune_releases
    log "PRONTO: $(short "$NEWEST") → $(short "$COMMIT"). Confira com: sudo -u $APP_USER $PYTHON manage.py postdeploy --dry"
    log "O próximo deploy volta sozinho ao ramo $BRANCH: não o traga à mão, que um reinício à mão inicia a revisão que está no clone."
}

main "$@"
# Este arquivo pode ter mudado: daqui em diante nada é lido dele.
exit
