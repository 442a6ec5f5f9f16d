# O que deploy.sh conta do que chega, e a quem mais ele avisa. Espera lib.sh, ROOT e LOG.
# shellcheck shell=bash

# O que muda da revisão $1 à $2: commits, o que o CHANGELOG acrescentou, e configurações que nasceram ou sumiram.
show_news() {
    local commits news settings
    commits=$(git log --no-merges --format='%h %s' "$1..$2") || return 0
    [ -n "$commits" ] || return 0
    log "Commits que chegam ($(printf '%s\n' "$commits" | wc -l)):"
    log_lines "$commits" 20
    news=$(added "$1" "$2" CHANGELOG.md)
    [ -z "$news" ] || { log "O que muda para quem usa (CHANGELOG.md):"; log_lines "$news" 60; }
    settings=$(diff <(settings_of "$1") <(settings_of "$2") | sed -n 's/^> /nova: /p; s/^< /não há mais: /p') || true
    [ -z "$settings" ] || { log "Configurações (veja .env.example):"; log_lines "$settings" 40; }
}

# As linhas que o arquivo $3 ganhou.
added() { git diff --unified=0 "$1" "$2" -- "$3" | sed -n '/^+++/d; s/^+//p' | sed '/^$/d'; }

# Os nomes que .env.example conhece na revisão $1.
settings_of() { git show "$1:.env.example" 2>/dev/null | sed -n 's/^#\?\([A-Z][A-Z0-9_]*\)=.*/\1/p' | sort -u; }

# As primeiras $2 linhas de $1, e quantas mais há.
log_lines() {
    local line number=0
    while IFS= read -r line; do
        number=$((number + 1))
        [ "$number" -gt "$2" ] || log "  $line"
    done <<<"$1"
    [ "$number" -le "$2" ] || log "  … e mais $((number - $2)) linhas"
}

# Chama cada programa de /etc/flowlog/deploy.d com "before", "after" ou "failed" e a revisão. Antes (before), o que
# termina com erro impede o deploy; depois, só é contado.
deploy_hooks() {
    local moment=$1 hook status=0
    while IFS= read -r hook; do
        log "· $hook $moment"
        "$hook" "$moment" "$2" >>"$LOG" 2>&1 9<&- </dev/null || { log "  ✘ $hook $moment falhou ($?)."; status=1; }
    done < <(find "${FLOWLOG_CONFIG:-/etc/flowlog}/deploy.d" -maxdepth 1 -type f,l -executable 2>/dev/null | sort)
    [ "$moment" != before ] || return "$status"
}
