# O que os scripts desta pasta têm em comum. É lido com `source`; espera ROOT (a pasta do Flowlog) e LOG.
# shellcheck shell=bash

APP_USER=${FLOWLOG_USER:-flowlog}
PYTHON=$ROOT/.venv/bin/python

# Termina com um erro em uma linha, na tela e no registro.
die() {
    log "ERRO: $*" >&2
    exit 1
}

# Uso errado: nada foi feito.
usage_error() {
    printf 'ERRO: %s\nUse --help para ver as opções.\n' "$*" >&2
    exit 2
}

# Uma linha na tela e, com a hora, no registro.
log() {
    printf '%s\n' "$*"
    if [ -n "${LOG:-}" ] && [ -w "$LOG" ]; then
        printf '%s %s\n' "$(date +%Y-%m-%dT%H:%M:%S%:z)" "$*" >>"$LOG"
    fi
}

# Só o dono do código e root servem; todo o resto erra antes de mudar alguma coisa.
check_user() {
    local name
    name=$(id -un)
    [ "$name" = root ] || [ "$name" = "$APP_USER" ] ||
        usage_error "rode como root (sudo) ou como $APP_USER, não como $name."
}

# Roda um comando como o dono do código.
as_app() {
    if [ "$(id -un)" = "$APP_USER" ]; then
        "$@"
    else
        runuser -u "$APP_USER" -- env HOME="$(getent passwd "$APP_USER" | cut -d: -f6)" "$@"
    fi
}

# systemctl, com os direitos que ele pede.
control() {
    if [ "$(id -u)" = 0 ]; then
        systemctl "$@"
    else
        sudo -n /usr/bin/systemctl "$@"
    fi
}

# O valor da opção que vem depois de seu nome. Uso: value=$(value_of "$@")
value_of() {
    case ${2:-} in
        '' | --*) usage_error "a opção $1 pede um valor." ;;
    esac
    printf '%s' "$2"
}

# Um número inteiro acima de zero.
check_number() {
    [[ $2 =~ ^[1-9][0-9]{0,5}$ ]] || usage_error "$1 pede um número inteiro acima de zero, não \"$2\"."
}

# Um só de cada vez. O arquivo é do dono do código, para que root e ele usem o mesmo.
take_lock() {
    as_app mkdir -p "$ROOT/var"
    as_app touch "$1"
    exec 9<"$1"
    flock --nonblock 9 || die "outro processo já está fazendo isto ($1)."
}

# O registro, que também é do dono do código.
open_log() {
    LOG=$1
    as_app mkdir -p "$(dirname "$LOG")"
    as_app touch "$LOG"
}

# PGHOST, PGPASSWORD … do endereço do banco: assim a senha não aparece na lista de processos.
use_database() {
    local settings
    settings=$(cd "$ROOT" && "$PYTHON" deploy/pgenv.py) || exit 1
    eval "$settings"
}

# Quantas linhas cada tabela tem, como SQL que psql executa (\gexec): esquema.tabela|linhas
# shellcheck disable=SC2034  # usado por quem lê este arquivo
COUNT_SQL="SELECT format('SELECT %L, count(*) FROM %I.%I', schemaname||'.'||tablename, schemaname, tablename)
    FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1 \\gexec"
