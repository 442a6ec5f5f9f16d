#!/usr/bin/env bash
# Instala o Flowlog num servidor Debian ou Ubuntu. Pode ser repetido: só faz o que falta, e diz o que fez.
set -euo pipefail
umask 022

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# shellcheck source=deploy/lib.sh
source "$ROOT/deploy/lib.sh"
# shellcheck source=deploy/install_steps.sh
source "$ROOT/deploy/install_steps.sh"

BACKUPS=/var/backups/flowlog
UNITS=(web worker-default worker-whatsapp)
CHANGES=0
NAME='^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$'

help() {
    cat <<'TEXT'
Uso: sudo deploy/install.sh --domain pedidos.exemplo.com.br [opções]

  --domain NOME             sob que nome o Flowlog atende (só na primeira vez; depois vem do .env)
  --dry-run                 mostra o que seria feito, sem mudar nada
  --python ARQUIVO          qual Python (>= 3.13, com venv) usar; padrão: procura um
  --dir PASTA               onde fica o Flowlog (padrão: /opt/flowlog)
  --repo ENDEREÇO           de onde clonar (padrão: o origin deste clone)
  --branch main|production  que ramo clonar (padrão: main)
  --evolution-url ENDEREÇO  o endereço da Evolution API
  --instance NOME           a instância da Evolution API da loja
  --env ARQUIVO             usa esta configuração, a .env de outro servidor do mesmo Flowlog
  --certificate ARQUIVO     o certificado TLS, e com --key sua chave (padrão: o do certbot para o domínio, se há;
  --key ARQUIVO             senão um provisório, que os navegadores recusam)
  --only LISTA              só estas partes neste servidor: web, worker-default, worker-whatsapp (padrão: todas).
                            worker-default, com o beat e a cópia do banco, deve rodar num servidor só
  --packages                mostra de que pacotes precisa, e termina

O que é segredo vem do ambiente, não das opções, que a lista de processos mostra: EVOLUTION_API_KEY, e DATABASE_URL e
REDIS_URL se o PostgreSQL e o Redis estão em outros servidores (padrão: um neste). O que já está no .env vale.
TEXT
}

# Faz o passo NOME se ele falta: have_NOME diz se já está feito, make_NOME o faz.
ensure() {
    local name=$1 description=$2
    if "have_$name" 2>/dev/null; then
        return
    fi
    CHANGES=$((CHANGES + 1))
    if [ -n "$DRY_RUN" ]; then
        printf '[faria] %s\n' "$description"
    else
        printf '%s\n' "· $description"
        "make_$name"
    fi
}

read_options() {
    DOMAIN="" DRY_RUN="" WANTED_PYTHON="" DIR=/opt/flowlog REPO="" BRANCH=main EVOLUTION_URL="" INSTANCE=""
    CERTIFICATE="" KEY="" DATABASE_URL=${DATABASE_URL:-} REDIS_URL=${REDIS_URL:-} ENV_FILE="" PRINT_PACKAGES="" only=""
    while [ $# -gt 0 ]; do
        case $1 in
            --domain) DOMAIN=$(value_of "$@"); shift 2 ;;
            --python) WANTED_PYTHON=$(value_of "$@"); shift 2 ;;
            --dir) DIR=$(value_of "$@"); shift 2 ;;
            --repo) REPO=$(value_of "$@"); shift 2 ;;
            --branch) BRANCH=$(value_of "$@"); shift 2 ;;
            --evolution-url) EVOLUTION_URL=$(value_of "$@"); shift 2 ;;
            --instance) INSTANCE=$(value_of "$@"); shift 2 ;;
            --certificate) CERTIFICATE=$(value_of "$@"); shift 2 ;;
            --key) KEY=$(value_of "$@"); shift 2 ;;
            --env) ENV_FILE=$(value_of "$@"); shift 2 ;;
            --only) only=$(value_of "$@"); shift 2 ;;
            --dry-run) DRY_RUN=1; shift ;;
            --packages) PRINT_PACKAGES=1; shift ;;
            -h | --help) help; exit ;;
            *) usage_error "opção desconhecida: $1" ;;
        esac
    done
    [ -z "$only" ] || IFS=, read -r -a UNITS <<<"$only"
}

check_options() {
    local unit
    for unit in "${UNITS[@]}"; do
        [[ $unit =~ ^(web|worker-default|worker-whatsapp)$ ]] ||
            usage_error "--only conhece web, worker-default e worker-whatsapp, não \"$unit\"."
    done
    [[ $BRANCH =~ ^(main|production)$ ]] || usage_error "--branch só pode ser main ou production, não \"$BRANCH\"."
    [[ $DIR =~ ^/[A-Za-z0-9._/-]+$ ]] ||
        usage_error "--dir pede um caminho absoluto de letras, números e . _ / -, não \"$DIR\"."
    [[ ! $DIR/ =~ ^/(home|root|tmp|var/tmp|run|etc)/ ]] ||
        usage_error "--dir não pode ficar em $DIR: os serviços não enxergam essa pasta. Use /opt ou /srv."
    [ -z "$DOMAIN" ] || [[ $DOMAIN =~ $NAME ]] ||
        usage_error "--domain pede um nome como pedidos.exemplo.com.br, não \"$DOMAIN\"."
    [ -z "$EVOLUTION_URL" ] || [[ $EVOLUTION_URL =~ ^(https://[^[:space:]]+|http://(127\.0\.0\.1|localhost)(:[0-9]+)?/?)$ ]] ||
        usage_error "--evolution-url deve começar com https:// (http só neste servidor)."
    [ -z "$DATABASE_URL" ] || [[ $DATABASE_URL =~ ^postgres(ql)?://[^[:space:]]+/[^[:space:]]+$ ]] ||
        usage_error "DATABASE_URL deve ser como postgresql://usuario:senha@servidor:5432/banco."
    [ -z "$REDIS_URL" ] || [[ $REDIS_URL =~ ^rediss?://[^[:space:]]+$ ]] ||
        usage_error "REDIS_URL deve ser como redis://servidor:6379/0."
    [ -z "$ENV_FILE" ] || [ -r "$ENV_FILE" ] || usage_error "--env: $ENV_FILE não pode ser lido."
    [ -z "$WANTED_PYTHON" ] || [ -x "$WANTED_PYTHON" ] || usage_error "--python: $WANTED_PYTHON não é um programa."
    [ -n "$CERTIFICATE" ] || [ -z "$KEY" ] || usage_error "--key pede também --certificate."
    [ -z "$CERTIFICATE" ] || [ -n "$KEY" ] || usage_error "--certificate pede também --key."
    [ -z "$CERTIFICATE" ] || { [ -r "$CERTIFICATE" ] && [ -r "$KEY" ]; } ||
        usage_error "o certificado ou sua chave não podem ser lidos."
}

# O que foi dito ($2) e o que o .env já diz ($3) são o mesmo, ou só um dos dois há.
agree() {
    [ -z "$2" ] || [ -z "$3" ] || [ "$2" = "$3" ] ||
        usage_error "$1 difere do que já está em $DIR/.env. Para mudar, edite lá e rode este script sem $1."
}

# O que não foi dito vem do .env, ou é o servidor daqui.
fill_in() {
    agree --domain "$DOMAIN" "$(env_value ALLOWED_HOSTS | cut -d, -f1)"
    agree --evolution-url "$EVOLUTION_URL" "$(env_value EVOLUTION_API_URL)"
    agree --instance "$INSTANCE" "$(env_value EVOLUTION_INSTANCE)"
    agree DATABASE_URL "$DATABASE_URL" "$(env_value DATABASE_URL)"
    agree REDIS_URL "$REDIS_URL" "$(env_value REDIS_URL)"
    DOMAIN=${DOMAIN:-$(env_value ALLOWED_HOSTS | cut -d, -f1)}
    # Do .env também: os nomes vão para a configuração do nginx.
    [ -z "$DOMAIN" ] || [[ $DOMAIN =~ $NAME ]] || usage_error "ALLOWED_HOSTS em $DIR/.env: \"$DOMAIN\" não é um nome."
    [ -n "$DOMAIN" ] || usage_error "diga sob que nome o Flowlog atende: --domain pedidos.exemplo.com.br"
    DATABASE_URL=${DATABASE_URL:-$(env_value DATABASE_URL)}
    DATABASE_URL=${DATABASE_URL:-postgresql://flowlog:$(secret)@127.0.0.1:5432/flowlog}
    REDIS_URL=${REDIS_URL:-$(env_value REDIS_URL)}
    REDIS_URL=${REDIS_URL:-redis://127.0.0.1:6379/0}
    [ -d "$DIR/.git" ] || REPO=${REPO:-$(git -C "$ROOT" remote get-url origin 2>/dev/null || true)}
    [ -d "$DIR/.git" ] || [ -n "$REPO" ] || usage_error "diga de onde clonar: --repo ENDEREÇO"
    if [ -z "$CERTIFICATE" ] && [ -f "/etc/letsencrypt/live/$DOMAIN/fullchain.pem" ]; then
        CERTIFICATE=/etc/letsencrypt/live/$DOMAIN/fullchain.pem KEY=/etc/letsencrypt/live/$DOMAIN/privkey.pem
    fi
}

# O que root executa e põe em /etc vem de um clone só dele: o código dos serviços é de quem os roda.
check_own_code() {
    local foreign
    foreign=$(find "$ROOT/deploy" "$ROOT/.git" \( ! -user root -o -perm /002 \) ! -type l -print -quit 2>/dev/null || true)
    [ -z "$foreign" ] || usage_error "$foreign pode ser mudado por outros. Rode este script de um clone de root:" \
        "sudo git clone $(git -c safe.directory="$ROOT" -C "$ROOT" remote get-url origin 2>/dev/null || printf ENDEREÇO) /root/flowlog"
}

# … e da mesma revisão que o código dos serviços.
check_same_code() {
    local ours theirs
    [ -d "$DIR/.git" ] && [ -d "$ROOT/.git" ] || return 0
    ours=$(git -C "$ROOT" rev-parse HEAD)
    theirs=$(as_app git -C "$DIR" rev-parse HEAD)
    [[ $theirs =~ ^[0-9a-f]{40}$ ]] || die "o git não responde em $DIR."
    [ "$ours" = "$theirs" ] || usage_error "este clone está em ${ours:0:12} e o código em $DIR em ${theirs:0:12}. Antes:" \
        "sudo git -C $ROOT fetch --tags origin && sudo git -C $ROOT checkout --detach $theirs"
    [ -z "$(git -C "$ROOT" status --porcelain -- deploy)" ] || usage_error "há mudanças feitas à mão em $ROOT/deploy."
}

check_system() {
    # shellcheck disable=SC1091
    (source /etc/os-release && [[ " $ID ${ID_LIKE:-} " =~ \ debian\  ]]) ||
        die "este script conhece Debian e Ubuntu; em outro sistema siga DEPLOY.md à mão."
    [ "$(id -u)" = 0 ] || usage_error "rode como root: sudo deploy/install.sh …"
    check_own_code
    [ -d /run/systemd/system ] || [ -n "$DRY_RUN" ] || die "o systemd não está rodando aqui."
}

install_system() {
    ensure packages "Pacotes: $(missing_packages | paste -sd' ')"
    [ -n "$DRY_RUN" ] || check_versions
    ensure user "Usuário $APP_USER, sem senha, com a pasta /var/lib/flowlog"
    ensure code "Código em $DIR, do ramo $BRANCH de $REPO"
    ensure folders "Pastas logs, var e $BACKUPS, e tudo em $DIR do usuário $APP_USER"
    ensure venv "Ambiente virtual $DIR/.venv"
    ensure requirements "Bibliotecas de requirements.txt em .venv"
    ensure env "Configuração $DIR/.env, com chaves novas (modo 640)"
    if is_local "$DATABASE_URL"; then
        ensure database "Banco e usuário do PostgreSQL, sem direitos além do seu banco; banco de conferência das cópias"
    fi
    if is_local "$REDIS_URL"; then
        ensure redis "Redis: appendonly yes, appendfsync everysec, maxmemory-policy noeviction"
    fi
}

install_services() {
    if [ -z "$DRY_RUN" ] && ! settings_problem=$(as_app "$PYTHON" manage.py check 2>&1); then
        printf '\n%s\n\n' "$settings_problem"
        die "complete $DIR/.env e rode este script outra vez."
    fi
    ensure scripts "Os scripts que as unidades chamam, em /usr/local/lib/flowlog"
    ensure release "Pasta de release em $DIR/releases: código, bibliotecas, arquivos estáticos"
    ensure units "Unidades do systemd: flowlog.target, ${UNITS[*]}, beat, backup"
    ensure sudoers "sudo: $APP_USER pode reiniciar os três serviços, e nada mais"
    ensure logrotate "logrotate de logs/*.log"
    if runs web; then
        [ -n "$CERTIFICATE" ] || use_provisional_certificate
        ensure nginx "nginx: https://$DOMAIN"
    fi
    ensure schema "Tabelas do banco e dados básicos (migrate, bootstrap)"
    ensure services "Serviços ligados, também quando o servidor reinicia: ${UNITS[*]}"
    # Com o banco em outro servidor a cópia é de quem também tem o relógio, que é um só.
    if is_local "$DATABASE_URL" || runs worker-default; then
        ensure hooks "Pasta /etc/flowlog/backup.d, para quem leva as cópias para fora"
        ensure backup_timer "Cópia do banco toda noite (flowlog-backup.timer)"
        ensure first_copy "Primeira cópia do banco em $BACKUPS, conferida"
    fi
}

main() {
    read_options "$@"
    if [ -n "$PRINT_PACKAGES" ]; then
        DATABASE_URL=${DATABASE_URL:-@127.0.0.1:} REDIS_URL=${REDIS_URL:-@127.0.0.1:}
        packages
        exit
    fi
    check_options
    check_system
    check_same_code
    fill_in
    PYTHON=$DIR/.venv/bin/python
    [ ! -d "$DIR" ] || cd "$DIR"
    install_system
    install_services
    if [ "$CHANGES" = 0 ]; then
        printf 'Nada a fazer: tudo já está como deve.\n'
    elif [ -n "$DRY_RUN" ]; then
        printf '%s passos seriam dados; nada foi mudado.\n' "$CHANGES"
    else
        printf '\nPronto: %s passos dados. Falta, se é a primeira vez:\n' "$CHANGES"
        printf '  a primeira conta:     sudo -u %s %s/.venv/bin/python %s/manage.py createsuperuser\n' "$APP_USER" "$DIR" "$DIR"
        printf '  a instância:          … manage.py evolution list, connect, set-webhook (veja DEPLOY.md)\n'
    fi
}

main "$@"
