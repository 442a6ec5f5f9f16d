#!/usr/bin/env bash
# Faz uma cópia do banco, prova que ela serve restaurando-a num banco de conferência, e apaga as velhas.
set -euo pipefail

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# shellcheck source=deploy/lib.sh
source "$ROOT/deploy/lib.sh"
# shellcheck source=deploy/copy_steps.sh
source "$ROOT/deploy/copy_steps.sh"

help() {
    cat <<'TEXT'
Uso: deploy/backup.sh [--dir PASTA] [--days N] [--check-database BANCO] [--local]

Grava PASTA/flowlog-AAAAMMDD-HHMMSS.dump (pg_dump -Fc) e ao lado .counts, quantas linhas cada tabela tinha. A cópia
só conta depois de restaurada no banco de conferência com as mesmas contagens; se falhar, nada velho é apagado e o
script termina com erro. O registro fica em logs/backup.log.

No fim a cópia, com as contagens e o .env, é cifrada para /etc/flowlog/backup.age e entregue a cada programa de
/etc/flowlog/backup.d, que a leva para fora. Se um falhar, a cópia daqui fica, e o script termina com erro.

  --dir PASTA              onde guardar (padrão: /var/backups/flowlog)
  --days N                 por quantos dias guardar; a mais nova fica sempre (padrão: 14)
  --check-database BANCO   onde conferir; TUDO o que há nele é apagado (padrão: <banco>_restore_check)
  --local                  só a cópia: nenhuma velha é apagada, nada é levado para fora
TEXT
}

fail() {
    log "ERRO: a cópia falhou: $*" >&2
    exit 1
}

# pg_dump e as contagens olham para o mesmo instante, mesmo que os pedidos continuem entrando.
dump() {
    local snapshot line
    psql -XAtqc 'SELECT 1' >/dev/null || fail "não foi possível falar com o banco $PGDATABASE."
    coproc SQL { psql -XAtq -v ON_ERROR_STOP=1 2>&1; }
    local from=${SQL[0]} to=${SQL[1]} pid=$SQL_PID
    printf '%s\n' "SET idle_in_transaction_session_timeout = 0; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;" \
        "SELECT 'snapshot=' || pg_export_snapshot();" >&"$to"
    IFS= read -r snapshot <&"$from" || fail "a conexão com o banco caiu."
    [ "${snapshot#snapshot=}" != "$snapshot" ] || fail "$snapshot"
    pg_dump -Fc --no-owner --no-privileges --snapshot="${snapshot#snapshot=}" --file="$PARTIAL" ||
        fail "pg_dump terminou com erro."
    printf '%s\n' "$COUNT_SQL" '\echo end' '\q' >&"$to"
    while IFS= read -r line && [ "$line" != end ]; do
        printf '%s\n' "$line"
    done <&"$from" >"$PARTIAL.counts"
    [ "$line" = end ] || fail "as contagens não vieram até o fim."
    wait "$pid" || fail "a conexão com o banco caiu."
}

# Restaura no banco de conferência, compara, e o deixa vazio outra vez.
check() {
    local found
    export PGDATABASE=$CHECK_DATABASE
    psql -XAtqc 'SELECT 1' >/dev/null ||
        fail "falta o banco de conferência. Crie: sudo -u postgres createdb -O $PGUSER $CHECK_DATABASE"
    empty_database || fail "não foi possível esvaziar $CHECK_DATABASE."
    pg_restore --no-owner --no-privileges --exit-on-error --dbname="$CHECK_DATABASE" "$PARTIAL" ||
        fail "a cópia não pôde ser restaurada."
    found=$(printf '%s\n' "$COUNT_SQL" | psql -XAtq -v ON_ERROR_STOP=1) || fail "não foi possível contar."
    [ "$found" = "$(cat "$PARTIAL.counts")" ] || fail "as contagens da cópia restaurada são outras."
    empty_database || fail "não foi possível esvaziar $CHECK_DATABASE."
}

empty_database() {
    psql -Xq -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' -c 'DROP SCHEMA IF EXISTS public CASCADE' \
        -c 'CREATE SCHEMA public AUTHORIZATION pg_database_owner' >/dev/null
}

# O nome é a hora; duas no mesmo segundo não tomam o lugar uma da outra.
free_name() {
    local name
    while name=$DIR/flowlog-$(date +%Y%m%d-%H%M%S).dump && [ -e "$name" ]; do sleep 1; done
    printf '%s' "$name"
}

# As que passaram do prazo. A que acabou de ser feita nunca está entre elas.
remove_old() {
    find "$DIR" -maxdepth 1 -name 'flowlog-*.dump*' -mmin "+$((DAYS * 24 * 60))" -print -delete |
        while IFS= read -r file; do log "Apagada: $file"; done
}

main() {
    local DIR=/var/backups/flowlog DAYS=14 CHECK_DATABASE="" LOCAL="" name
    while [ $# -gt 0 ]; do
        case $1 in
            --dir) DIR=$(value_of "$@"); shift 2 ;;
            --days) DAYS=$(value_of "$@"); shift 2 ;;
            --check-database) CHECK_DATABASE=$(value_of "$@"); shift 2 ;;
            --local) LOCAL=1 && shift ;;
            -h | --help) help && exit ;;
            *) usage_error "opção desconhecida: $1" ;;
        esac
    done
    check_number --days "$DAYS"
    DIR=$(realpath -m "$DIR")
    become_app_user --dir "$DIR" --days "$DAYS" ${CHECK_DATABASE:+--check-database "$CHECK_DATABASE"} \
        ${LOCAL:+--local}
    outlive_terminal
    open_log "$ROOT/logs/backup.log"
    [ -w "$DIR/." ] || die "a pasta $DIR não existe ou não pode ser escrita por $(id -un)."
    take_lock "$ROOT/var/backup.lock"
    use_database
    CHECK_DATABASE=${CHECK_DATABASE:-${PGDATABASE}_restore_check}
    [ "$CHECK_DATABASE" != "$PGDATABASE" ] || usage_error "o banco de conferência não pode ser o próprio banco."
    umask 077
    PACKAGE=""
    name=$(free_name)
    PARTIAL=$name.partial
    trap 'rm -f "$PARTIAL" "$PARTIAL.counts" ${PACKAGE:+"$PACKAGE"}' EXIT
    log "Cópia de $PGDATABASE em $name"
    dump
    (check) || exit 1
    mv "$PARTIAL.counts" "$name.counts"
    mv "$PARTIAL" "$name"
    log "Cópia feita e conferida: $name, $(stat -c %s "$name") bytes," \
        "$(wc -l <"$name.counts") tabelas, $(awk -F'|' '{ n += $NF } END { print n + 0 }' "$name.counts") linhas"
    [ -z "$LOCAL" ] || return 0
    remove_old
    take_away "$name"
}

main "$@"
