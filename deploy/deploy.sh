#!/usr/bin/env bash
# Os passos do guia de deploy num comando só: baixa, instala, confere, migra, reinicia, confere de novo.
# Se algo falha depois que o código mudou, volta sozinho à revisão anterior, e diz que voltou.
set -euo pipefail
umask 022

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# shellcheck source=deploy/lib.sh
source "$ROOT/deploy/lib.sh"
# shellcheck source=deploy/release_steps.sh
source "$ROOT/deploy/release_steps.sh"
# shellcheck source=deploy/copy_steps.sh
source "$ROOT/deploy/copy_steps.sh"
# shellcheck source=deploy/news_steps.sh
source "$ROOT/deploy/news_steps.sh"

help() {
    cat <<'TEXT'
Uso: sudo -u flowlog deploy/deploy.sh --number +5511987654321 [opções]

  --number NÚMERO       para onde vai a mensagem do pedido de teste
  --dry                 não envia mensagem de teste
  --accept-migrations   aplica as migrations mesmo que check_migrations aconselhe algo antes (leia o conselho!)
  --apply-advice        executa antes os comandos que check_migrations aconselha para o que foi feito à mão no banco
  --timeout SEGUNDOS    quanto esperar pela web, pelos workers e pela mensagem de teste (padrão: 60)
TEXT
}

read_options() {
    TEST=() APPLY=(--apply) TIMEOUT=60
    while [ $# -gt 0 ]; do
        case $1 in
            --number) TEST=(--number "$(value_of "$@")"); shift 2 ;;
            --dry) TEST=(--dry); shift ;;
            --accept-migrations) APPLY+=(--accept); shift ;;
            --apply-advice) APPLY+=(--apply-advice); shift ;;
            --timeout) TIMEOUT=$(value_of "$@"); check_number --timeout "$TIMEOUT"; shift 2 ;;
            -h | --help) help; exit ;;
            *) usage_error "opção desconhecida: $1" ;;
        esac
    done
    [ ${#TEST[@]} -gt 0 ] || usage_error "diga para onde vai a mensagem de teste (--number), ou --dry para não enviar."
}

# Nada mudou ainda: o que não está certo aqui só impede.
check_tree() {
    DETACHED=""
    BRANCH=$(git symbolic-ref --quiet --short HEAD) || { DETACHED=1 && BRANCH=$(branch_before_rollback); } ||
        die "o código não está num ramo (voltou à mão?). Volte com: sudo -u $APP_USER git -C $ROOT checkout main"
    [[ $BRANCH =~ ^(main|production)$ ]] || die "deploy só dos ramos main e production, não de \"$BRANCH\"."
    check_clean
    FOUND=$(git rev-parse HEAD)
    BEFORE=$(running_revision)
    FORMER=$(noted_revision former-revision) || FORMER=""
}

pull() {
    # --force: uma tag que mudou de lugar no repositório muda aqui também.
    git fetch --quiet --force --tags origin || die "não foi possível falar com o repositório (acima); nada mudou."
    check_signature "$(git rev-parse "refs/remotes/origin/$BRANCH")"
    { { [ -z "$DETACHED" ] || git checkout --quiet "$BRANCH"; } && git merge --quiet --ff-only "refs/remotes/origin/$BRANCH"; } || die "não foi possível baixar o ramo $BRANCH (acima); nada mudou."
    AFTER=$(git rev-parse HEAD)
    NEWEST=$AFTER
    log "Código: $(short "$BEFORE") → $(short "$AFTER")"
    show_news "$BEFORE" "$AFTER"
}

# Até aqui os serviços ainda rodam o código de antes.
prepare() {
    deploy_hooks before "$AFTER" &&
        step "Bibliotecas" install_requirements &&
        step "Conferência antes (predeploy)" manage predeploy &&
        step "Cópia do banco, se há migrations" copy_before_migrations &&
        step "Migrations (check_migrations, migrate)" migrate &&
        step "Arquivos estáticos (collectstatic)" collect_static
}

# Confere e, sem conselho, aplica no mesmo processo: cada início do Django custa segundos.
# shellcheck disable=SC2329  # um passo: step a chama pelo nome
migrate() {
    local status=0
    manage check_migrations "${APPLY[@]}" || status=$?
    [ "$status" != 1 ] || printf '%s\n' \
        "Os comandos acima são da versão nova, e aqui volta a anterior. Para que o deploy os execute, o mesmo comando com" \
        "--apply-advice; para aplicar as migrations apesar dos avisos, com --accept-migrations."
    return "$status"
}

activate() {
    step "Reinício da web e dos dois workers" restart_services &&
        step "A web responde?" web_answers "$TIMEOUT" &&
        step "Conferência depois (postdeploy)" \
            manage postdeploy --since "$STARTED" --timeout "$TIMEOUT" --queues "$(served_queues)" "${TEST[@]}"
}

# Ctrl-C. No meio de um git pull pode haver arquivos novos sem que o ramo tenha andado; antes dele não havia nenhum à mão.
# shellcheck disable=SC2329  # trap a chama pelo nome
interrupted() {
    trap '' INT TERM
    log "Interrompido."
    AFTER=$(git rev-parse HEAD)
    if [ -z "$PREPARING" ] && [ "$AFTER" = "$FOUND" ]; then
        { git reset --quiet --hard "$FOUND" && git clean --quiet -d --force; } ||
            die "o código ficou a meio caminho; faça: sudo -u $APP_USER git -C $ROOT reset --hard $FOUND"
        die "o deploy parou enquanto baixava o código; nada mudou."
    fi
    go_back
}

go_back() {
    trap '' INT TERM
    log "FALHOU: voltando à revisão $(short "$BEFORE")."
    deploy_hooks failed "$AFTER"
    if [ "$AFTER" != "$BEFORE" ]; then
        if [ -n "$DETACHED" ]; then git checkout --quiet --force --detach "$BEFORE"; else git reset --quiet --hard "$BEFORE"; fi ||
            die "não foi possível voltar o código; faça: sudo -u $APP_USER git -C $ROOT reset --hard $BEFORE"
    fi
    step "Bibliotecas da revisão anterior" install_requirements || log "Continuo mesmo assim."
    step "Arquivos estáticos da revisão anterior" collect_static || log "Continuo mesmo assim."
    warn_about_schema "$BEFORE"
    if [ -n "$RESTARTED" ]; then
        { step "Reinício da web e dos dois workers" restart_services && step "A web responde?" web_answers 60; } ||
            die "os serviços não voltaram: veja systemctl status 'flowlog-*'"
        # A que falhou não é uma a que alguém queira voltar.
        [ -z "$FORMER" ] || printf '%s\n' "$FORMER" >"$ROOT/var/former-revision"
    fi
    die "o deploy falhou e foi desfeito: roda a revisão $(short "$BEFORE") (o esquema do banco ficou como está)."
}

# As unidades instaladas são cópias; quem as troca é install.sh.
mention_units() {
    git diff --quiet "$BEFORE" "$AFTER" -- deploy/systemd deploy/nginx deploy/logrotate ||
        log "AVISO: unidades, nginx ou logrotate mudaram nesta versão. Rode:" \
            "sudo git -C /root/flowlog pull origin $BRANCH && sudo /root/flowlog/deploy/install.sh"
}

main() {
    read_options "$@"
    become_app_user "$@"
    outlive_terminal
    open_log "$ROOT/logs/deploy.log"
    take_lock "$ROOT/var/deploy.lock"
    check_tree
    RESTARTED="" STARTED=$(date +%Y-%m-%dT%H:%M:%S%:z) PREPARING=""
    log "Deploy por ${SUDO_USER:-$(id -un)}, ramo $BRANCH."
    trap interrupted INT TERM
    pull
    PREPARING=1
    prepare || go_back
    STARTED=$(date +%Y-%m-%dT%H:%M:%S%:z) RESTARTED=1
    activate || go_back
    trap '' INT TERM
    mention_units
    deploy_hooks after "$AFTER"
    log "PRONTO: $(short "$BEFORE") → $(short "$AFTER"). Para voltar: deploy/rollback.sh $(short "$BEFORE")"
}

main "$@"
# Este arquivo pode ter mudado: daqui em diante nada é lido dele.
exit
