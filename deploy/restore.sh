#!/usr/bin/env bash
# Traz de volta uma cópia feita por backup.sh, inteira ou nada dela.
set -euo pipefail

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# shellcheck source=deploy/lib.sh
source "$ROOT/deploy/lib.sh"
# shellcheck source=deploy/copy_steps.sh
source "$ROOT/deploy/copy_steps.sh"

help() {
    cat <<'TEXT'
Uso: deploy/restore.sh ARQUIVO.dump [--replace [--dir PASTA | --without-copy]]

Restaura a cópia no banco de DATABASE_URL, numa só transação: se algo falhar, o banco fica como estava. Depois
compara as linhas de cada tabela com as da cópia (ARQUIVO.dump.counts). O banco deve estar vazio e os serviços
parados (sudo systemctl stop flowlog.target).

  --replace        APAGA o que há no banco, depois de guardar e conferir uma cópia disso
  --dir PASTA      onde guardar essa cópia (padrão: /var/backups/flowlog)
  --without-copy   apaga sem guardar nada: o que há no banco se perde
TEXT
}

# systemctl stop flowlog.target não espera por quem para com ele: um worker ainda termina o que tem em mãos.
stopping() { systemctl list-jobs --no-legend 'flowlog-*' 2>/dev/null | grep -q ' stop '; }

# Quem ainda trabalha no banco misturaria dados de agora aos da cópia.
check_stopped() {
    local unit ends=$((SECONDS + 180))
    command -v systemctl >/dev/null || return 0
    while stopping && [ "$SECONDS" -lt "$ends" ]; do sleep 1; done
    for unit in flowlog-web flowlog-worker-default flowlog-worker-whatsapp flowlog-beat; do
        ! systemctl --quiet is-active "$unit" 2>/dev/null ||
            die "$unit está rodando. Antes: sudo systemctl stop flowlog.target flowlog-web.socket"
    done
}

# O SQL da cópia; o COMMIT só vem se ela foi lida até o fim.
script() {
    printf '%s\n' 'SET client_min_messages = warning;' 'BEGIN;'
    [ -z "$REPLACE" ] ||
        printf '%s\n' 'DROP SCHEMA public CASCADE;' 'CREATE SCHEMA public AUTHORIZATION pg_database_owner;'
    pg_restore --no-owner --no-privileges --file=- "$FILE" && printf '%s\n' 'COMMIT;'
}

# O que há no banco, se algo há, só se perde depois de guardado.
keep_what_is_there() {
    local tables
    tables=$(psql -XAtqc "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") ||
        die "não foi possível falar com o banco $PGDATABASE."
    [ "$tables" != 0 ] || return 0
    [ -n "$REPLACE" ] ||
        die "o banco $PGDATABASE não está vazio ($tables tabelas). Para apagar o que há nele: --replace"
    [ -z "$WITHOUT_COPY" ] || return 0
    copy_first "$COPIES" ||
        die "o que há no banco não pôde ser guardado antes, e nada foi mudado. Para perdê-lo: --without-copy"
}

restore() {
    log "Restaurando $FILE em $PGDATABASE"
    script | psql -Xq -v ON_ERROR_STOP=1 >/dev/null ||
        die "a cópia não pôde ser restaurada; o banco ficou como estava."
}

compare() {
    local found
    if [ ! -f "$FILE.counts" ]; then
        log "Restaurado. Sem $FILE.counts não há contagens com que comparar."
        return
    fi
    found=$(printf '%s\n' "$COUNT_SQL" | psql -XAtq -v ON_ERROR_STOP=1) || die "não foi possível contar."
    if [ "$found" != "$(cat "$FILE.counts")" ]; then
        diff <(printf '%s\n' "$found") "$FILE.counts" || true
        die "as contagens são outras que as da cópia (acima: < aqui, > na cópia)."
    fi
    log "Restaurado e conferido: $(wc -l <"$FILE.counts") tabelas com as mesmas contagens da cópia."
}

main() {
    local FILE="" REPLACE="" WITHOUT_COPY="" COPIES=/var/backups/flowlog
    while [ $# -gt 0 ]; do
        case $1 in
            --replace) REPLACE=1 && shift ;;
            --dir) COPIES=$(value_of "$@"); shift 2 ;;
            --without-copy) WITHOUT_COPY=1 && shift ;;
            -h | --help) help && exit ;;
            -*) usage_error "opção desconhecida: $1" ;;
            *)
                [ -z "$FILE" ] || usage_error "só um arquivo de cada vez."
                FILE=$1 && shift
                ;;
        esac
    done
    [ -n "$FILE" ] || usage_error "diga qual cópia restaurar."
    FILE=$(realpath -m "$FILE")
    COPIES=$(realpath -m "$COPIES")
    become_app_user "$FILE" ${REPLACE:+--replace} --dir "$COPIES" ${WITHOUT_COPY:+--without-copy}
    outlive_terminal
    [ -r "$FILE" ] || usage_error "o arquivo $FILE não existe ou não pode ser lido por $(id -un)."
    pg_restore --list "$FILE" >/dev/null 2>&1 || usage_error "$FILE não é uma cópia feita por backup.sh."
    open_log "$ROOT/logs/backup.log"
    check_stopped
    use_database
    keep_what_is_there
    take_lock "$ROOT/var/backup.lock"
    restore
    compare
    log "Antes de ligar os serviços (veja DEPLOY.md): manage.py migrate, manage.py notifications reconcile"
}

main "$@"
