#!/usr/bin/env bash
# Volta o código a uma revisão anterior e reinicia os serviços na hora. O esquema do banco fica como está.
set -euo pipefail
umask 022

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# shellcheck source=deploy/lib.sh
source "$ROOT/deploy/lib.sh"
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
    NEWEST=$(git rev-parse HEAD)
    TARGET=${TARGET:-$(noted_revision former-revision)} ||
        usage_error "não se sabe o que a web rodava antes: diga a que TAG ou HASH voltar."
    # Uma tag pode ter nascido depois do código que ela nomeia.
    COMMIT=$(git rev-parse --quiet --verify "$TARGET^{commit}") ||
        { git fetch --quiet --force --tags origin && COMMIT=$(git rev-parse --quiet --verify "$TARGET^{commit}"); } ||
        usage_error "não há revisão \"$TARGET\" aqui. Veja: sudo -u $APP_USER git -C $ROOT tag"
    [ "$COMMIT" != "$NEWEST" ] || usage_error "\"$TARGET\" é a revisão que já está aqui."
    check_clean
}

confirm() {
    [ -z "$YES" ] && [ -t 0 ] || return 0
    read -r -p "Voltar a $TARGET agora? [s/N] " answer
    [[ $answer =~ ^[sS] ]] || die "nada foi feito."
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
    # O próximo deploy volta sozinho ao ramo. Antes dele nada da versão abandonada fica na pasta, de onde um serviço que cai
    # e volta a pegaria.
    BRANCH=$(git symbolic-ref --quiet --short HEAD || branch_before_rollback) || BRANCH=main
    git checkout --quiet --detach "$COMMIT"
    printf '%s %s\n' "$COMMIT" "$BRANCH" >"$ROOT/var/rolled-back"
    step "Bibliotecas" install_requirements || log "Continuo: os serviços voltam com as que há."
    step "Arquivos estáticos" collect_static || log "Continuo: os serviços voltam com os que há."
    { step "Reinício da web e dos dois workers" restart_services && step "A web responde?" web_answers 60; } ||
        die "o código voltou, mas os serviços não: veja systemctl status 'flowlog-*'"
    log "PRONTO: $(short "$NEWEST") → $(short "$COMMIT"). Confira com: sudo -u $APP_USER $PYTHON manage.py postdeploy --dry"
    log "O próximo deploy volta sozinho ao ramo $BRANCH: não o traga à mão, que um serviço que cai começa com o que está na pasta."
}

main "$@"
# Este arquivo pode ter mudado: daqui em diante nada é lido dele.
exit
