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

# Uma linha na tela, se ainda há quem olhe para ela, e, com a hora, no registro.
log() {
    (trap '' PIPE && printf '%s\n' "$*" 2>/dev/null) || true
    if [ -n "${LOG:-}" ] && [ -w "$LOG" ]; then
        printf '%s %s\n' "$(date +%Y-%m-%dT%H:%M:%S%:z)" "$*" >>"$LOG"
    fi
}

# Só o dono do código faz o trabalho, e na pasta dele. root lhe cede o lugar: os serviços podem escrever em logs/ e
# var/, e o que eles deixassem ali (um link, por exemplo) não deve guiar a mão de root. Uso: become_app_user "$@"
become_app_user() {
    local name home
    name=$(id -un)
    if [ "$name" != "$APP_USER" ]; then
        [ "$name" = root ] || usage_error "rode como root (sudo) ou como $APP_USER, não como $name."
        home=$(getent passwd "$APP_USER" | cut -d: -f6) || true
        [ -n "$home" ] || usage_error "não há usuário $APP_USER neste servidor."
        cd "$ROOT" || exit 1
        HOME=$home exec setpriv --reuid="$APP_USER" --regid="$APP_USER" --init-groups "$(readlink -f "$0")" "$@"
    fi
    cd "$ROOT" || exit 1
}

# Quem perdeu a conexão ou fechou a tela não interrompe o que começou; o registro conta o resto.
outlive_terminal() { trap '' HUP; }

# Roda um comando como o dono do código, para quem é root.
as_app() {
    if [ "$(id -un)" = "$APP_USER" ]; then
        "$@"
    else
        runuser -u "$APP_USER" -- env HOME="$(getent passwd "$APP_USER" | cut -d: -f6)" "$@"
    fi
}

short() { printf '%.12s' "$1"; }

# Só o que tem o resumo que o repositório conhece: quem trocasse um pacote no caminho não entraria. Uma revisão antiga, à
# qual se volta, pode não ter a lista. Uso, na pasta do código: install_packages [as_app]
install_packages() {
    local list=(--require-hashes --requirement requirements-hashes.txt)
    [ -f requirements-hashes.txt ] || list=(--requirement requirements.txt)
    "$@" .venv/bin/python -m pip install --disable-pip-version-check --quiet "${list[@]}"
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

# Um só de cada vez.
take_lock() {
    mkdir -p "$ROOT/var"
    exec 9>>"$1"
    flock --nonblock 9 || die "outro processo já está fazendo isto ($1)."
}

open_log() {
    LOG=$1
    mkdir -p "$(dirname "$LOG")"
    touch "$LOG"
}

# PGHOST, PGPASSWORD … do endereço do banco: assim a senha não aparece na lista de processos. O que o programa do outro
# usuário diz é só lido, nunca executado: quem chama pode ser root. Uso: take_database COMANDO…
take_database() {
    local pairs pair status=0
    mapfile -d '' -t pairs < <("$@")
    wait "$!" || status=$?
    [ "$status" = 0 ] || return "$status"
    for pair in "${pairs[@]}"; do
        case ${pair%%=*} in
            PGHOST | PGPORT | PGUSER | PGPASSWORD | PGDATABASE | PGSSLMODE | PGSSLROOTCERT | PGSSLCERT | PGSSLKEY | \
                PGCHANNELBINDING | PGOPTIONS)
                export "${pair%%=*}=${pair#*=}"
                ;;
            *) return 1 ;;
        esac
    done
}
use_database() { take_database "$PYTHON" "$ROOT/deploy/pgenv.py" || exit 1; }

# Quantas linhas cada tabela tem, como SQL que psql executa (\gexec): esquema.tabela|linhas
# shellcheck disable=SC2034  # usado por quem lê este arquivo
COUNT_SQL="SELECT format('SELECT %L, count(*) FROM %I.%I', schemaname||'.'||tablename, schemaname, tablename)
    FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1 \\gexec"
