#!/usr/bin/env bash
# Os passos do guia de deploy num comando só: baixa, instala, confere, migra, reinicia, confere de novo.
# O que roda fica como está, até que a versão nova, em sua própria pasta, passou por tudo; se depois algo falha, ele volta
# sozinho à anterior, e diz que voltou.
set -euo pipefail
umask 022

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# shellcheck source=deploy/lib.sh
source "$ROOT/deploy/lib.sh"
# shellcheck source=deploy/release_folders.sh
source "$ROOT/deploy/release_folders.sh"
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
    # De novo num ramo: o que rollback.sh deixou anotado passou.
    [ -n "$DETACHED" ] || rm -f "$ROOT/var/rolled-back"
    check_clean
    check_releases
    BEFORE=$(release_revision current) RUNNING=$(release_folder current)
    PREVIOUS=$(release_folder previous) || PREVIOUS=""
}

download() {
    local here there
    # --force: uma tag que mudou de lugar no repositório muda aqui também.
    git fetch --quiet --force --tags origin || die "não foi possível falar com o repositório (acima); nada mudou."
    here=$(git rev-parse "refs/heads/$BRANCH") there=$(git rev-parse "refs/remotes/origin/$BRANCH")
    if git merge-base --is-ancestor "$there" "$here"; then
        there=$here
    elif ! git merge-base --is-ancestor "$here" "$there"; then
        die "o ramo $BRANCH daqui tem commits que o do repositório não tem; nada mudou."
    fi
    check_signature "$there"
    AFTER=$there NEWEST=$there NEW=$(new_release "$there")
    log "Código: $(short "$BEFORE") → $(short "$AFTER")"
    show_news "$BEFORE" "$AFTER"
}

# Até aqui os serviços rodam, e iniciam, a pasta de antes.
prepare() {
    deploy_hooks before "$AFTER" &&
        step "Pasta da versão nova: $NEW" unpack_release "$NEW" "$AFTER" &&
        step "Bibliotecas" install_requirements "$NEW" &&
        step "Arquivos estáticos (collectstatic)" finish_release "$NEW" "$AFTER" &&
        step "Conferência antes (predeploy)" manage predeploy &&
        step "Cópia do banco, se há migrations" copy_before_migrations &&
        step "Migrations (check_migrations, migrate)" migrate
}

# Confere e, sem conselho, aplica no mesmo processo: cada início do Django custa segundos.
# shellcheck disable=SC2329  # um passo: step a chama pelo nome
migrate() {
    local status=0
    manage check_migrations "${APPLY[@]}" || status=$?
    [ "$status" != 1 ] || printf '%s\n' \
        "Os comandos acima são da versão nova, e no clone está a anterior. Para que o deploy os execute, o mesmo comando com" \
        "--apply-advice; para aplicar as migrations apesar dos avisos, com --accept-migrations."
    return "$status"
}

# O clone primeiro: se o servidor cai entre os dois, um reinício à mão completa a troca, e não a desfaz.
# shellcheck disable=SC2329  # um passo
put_in_place() {
    { [ -z "$DETACHED" ] || git checkout --quiet "$BRANCH"; } && git merge --quiet --ff-only "$AFTER" && switch_to "$NEW"
}

activate() {
    step "Os serviços passam à versão nova (releases/current)" put_in_place &&
        step "Reinício da web e dos dois workers" restart_services &&
        step "A web responde?" web_answers "$TIMEOUT" &&
        step "Conferência depois (postdeploy)" \
            manage postdeploy --since "$STARTED" --timeout "$TIMEOUT" --queues "$(served_queues)" "${TEST[@]}"
}

# Ctrl-C.
# shellcheck disable=SC2329  # trap a chama pelo nome
interrupted() {
    trap '' INT TERM
    log "Interrompido."
    [ -n "$PREPARING" ] || die "o deploy parou enquanto baixava o código; nada mudou."
    go_back
}

go_back() {
    trap '' INT TERM
    log "FALHOU: voltando à revisão $(short "$BEFORE")."
    deploy_hooks failed "$AFTER"
    if [ -n "$SWITCHING" ] || [ "$(git rev-parse HEAD)" != "$BEFORE" ]; then
        # Nada à mão se perde: antes não havia nada.
        { if [ -n "$DETACHED" ]; then git checkout --quiet --force --detach "$BEFORE"; else git reset --quiet --hard "$BEFORE"; fi &&
            git clean --quiet -d --force; } ||
            die "não foi possível voltar o código; faça: sudo -u $APP_USER git -C $ROOT reset --hard $BEFORE"
    fi
    if [ -n "$SWITCHING" ]; then
        point current "$RUNNING"
        # A que falhou não é uma a que alguém queira voltar.
        if [ -n "$PREVIOUS" ]; then point previous "$PREVIOUS"; else rm -f "$RELEASES/previous"; fi
        { step "Reinício da web e dos dois workers" restart_services && step "A web responde?" web_answers 60; } ||
            { warn_about_schema "$BEFORE"; die "os serviços não voltaram: veja systemctl status 'flowlog-*'"; }
    fi
    rm -rf "$NEW"
    warn_about_schema "$BEFORE"
    die "o deploy falhou e foi desfeito: roda a revisão $(short "$BEFORE") (o esquema do banco ficou como está)."
}

# As unidades instaladas são cópias; quem as troca é install.sh.
mention_units() {
    git diff --quiet "$BEFORE" "$AFTER" -- deploy/{systemd,nginx,logrotate,take_over.sh,release_folders.sh,lib.sh} ||
        log "AVISO: unidades, scripts de root, nginx ou logrotate mudaram nesta versão. Rode:" \
            "sudo git -C /root/flowlog pull origin $BRANCH && sudo /root/flowlog/deploy/install.sh"
}

main() {
    read_options "$@"
    become_app_user "$@"
    outlive_terminal
    open_log "$ROOT/logs/deploy.log"
    take_lock "$ROOT/var/deploy.lock"
    check_tree
    PREPARING="" SWITCHING=""
    log "Deploy por ${SUDO_USER:-$(id -un)}, ramo $BRANCH."
    trap interrupted INT TERM
    download
    PREPARING=1
    prepare || go_back
    STARTED=$(date +%Y-%m-%dT%H:%M:%S%:z) SWITCHING=1
    activate || go_back
    trap '' INT TERM
    step "Bibliotecas do clone" refresh_clone || log "Continuo: só quem digita comandos em $ROOT as usa."
    prune_releases
    mention_units
    deploy_hooks after "$AFTER"
    log "PRONTO: $(short "$BEFORE") → $(short "$AFTER"). Para voltar: deploy/rollback.sh $(short "$BEFORE")"
}

main "$@"
# Este arquivo pode ter mudado: daqui em diante nada é lido dele.
exit
