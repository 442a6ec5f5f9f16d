# O que se faz com as cópias do banco além de guardá-las aqui. Espera lib.sh, ROOT e LOG; take_away também fail, de
# backup.sh, que apaga PACKAGE quando termina.
# shellcheck shell=bash

# Onde estão os ganchos (backup.d/) e a chave pública com que se cifra para eles (backup.age).
CONFIG=${FLOWLOG_CONFIG:-/etc/flowlog}

hooks() { find "$CONFIG/backup.d" -maxdepth 1 -type f,l -executable 2>/dev/null | sort; }

# Cifra a cópia $1, suas contagens e o .env num arquivo só, e o entrega a cada gancho. O arquivo some depois.
take_away() {
    local copy=$1 hook failed="" found
    mapfile -t found < <(hooks)
    [ ${#found[@]} -gt 0 ] || return 0
    [ -r "$CONFIG/backup.age" ] ||
        fail "há ganchos em $CONFIG/backup.d, mas não $CONFIG/backup.age, que $(id -un) possa ler: com ela se cifra o que sai daqui."
    PACKAGE=${copy%.dump}.tar.age
    tar --create --dereference --transform='s,^\.env$,flowlog.env,' --directory="$(dirname "$copy")" \
        "$(basename "$copy")" "$(basename "$copy").counts" --directory="$ROOT" .env |
        age --encrypt --recipients-file "$CONFIG/backup.age" --output "$PACKAGE" ||
        fail "não foi possível cifrá-la para os ganchos; ela está em $copy."
    for hook in "${found[@]}"; do
        if "$hook" "$PACKAGE" >>"$LOG" 2>&1 9<&- </dev/null; then
            log "Entregue a $hook: $(basename "$PACKAGE"), $(stat -c %s "$PACKAGE") bytes"
        else
            log "O gancho $hook terminou com erro (acima)."
            failed=1
        fi
    done
    [ -z "$failed" ] || fail "ela está em $copy, mas não foi levada para fora."
}

# Antes de mudar ou apagar o que há no banco: uma cópia só para este servidor, que não tira o lugar de nenhuma outra.
copy_first() { "$ROOT/deploy/backup.sh" --local --dir "$1"; }

# Antes das migrations. Onde as cópias são feitas em outro servidor, ele é que as faz.
copy_before_migrations() {
    if manage migrate --check >/dev/null 2>&1; then
        printf 'Nenhuma migration a aplicar.\n'
    elif systemctl --quiet is-enabled flowlog-backup.timer; then
        copy_first /var/backups/flowlog
    else
        printf 'AVISO: este servidor não faz as cópias do banco (flowlog-backup.timer): nenhuma foi feita agora.\n'
    fi
}
