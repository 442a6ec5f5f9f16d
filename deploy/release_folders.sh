# As pastas de release: cada revisão que roda tem a sua, com seu ambiente e seus arquivos estáticos, e ninguém mexe nela
# depois. releases/current leva à que os serviços iniciam, releases/previous à que rodava antes. Espera lib.sh e ROOT.
# shellcheck shell=bash

RELEASES=$ROOT/releases
KEPT=5

# A pasta a que o link $1 leva, e a revisão dela.
release_folder() { readlink -e "$RELEASES/$1"; }
release_revision() { cat "$RELEASES/$1/REVISION" 2>/dev/null; }

# A pasta mais nova da revisão $1. REVISION é o que se escreve por último: sem ela uma pasta está pela metade.
find_release() {
    local file
    file=$(grep --files-with-matches --line-regexp --fixed-strings "$1" "$RELEASES"/[0-9]*/REVISION 2>/dev/null | tail -n 1)
    [ -n "$file" ] && dirname "$file"
}

new_release() { printf '%s/%s-%s' "$RELEASES" "$(date +%Y%m%d-%H%M%S)" "$(short "$1")"; }

# O código da revisão $2 na pasta nova $1, com as bibliotecas do clone, que não ocupam o disco outra vez. O pip põe arquivos
# novos no lugar dos que troca, e não escreve neles. Do clone são os segredos, os registros, e a trava das cópias do banco.
unpack_release() {
    mkdir -p "$RELEASES"
    # O git não a conta como mudança, qualquer que seja a revisão no clone.
    mkdir -p .git/info
    grep -qsx /releases/ .git/info/exclude || printf '/releases/\n' >>.git/info/exclude
    mkdir "$1" "$1/var" &&
        git archive "$2" | tar --extract --directory="$1" &&
        ln -s ../../.env ../../logs "$1/" &&
        ln -s ../../../var/backup.lock "$1/var/" &&
        cp --archive --link .venv "$1/.venv"
}

# O resto da pasta $1, da revisão $2: o código compilado, que os serviços não podem escrever, e os arquivos estáticos. Saem
# de static/, das bibliotecas e de settings.py; se nada disso mudou, são os que já rodam.
finish_release() {
    local before
    before=$(release_folder current) || before=""
    (cd "$1" && .venv/bin/python -m compileall -q -x '/(\.venv|tests)/' .) || return 1
    if [ -n "$before" ] && git diff --quiet "$(release_revision current)" "$2" -- \
        'static/*' '*/static/*' requirements.txt flowlog/settings.py; then
        cp --archive --link "$before/staticfiles" "$1/staticfiles"
    else
        (cd "$1" && .venv/bin/python manage.py collectstatic --no-input --verbosity 0) || return 1
        # Os que só a de antes tinha ficam: há páginas abertas que ainda os pedem.
        [ -z "$before" ] || cp --archive --link --no-clobber "$before/staticfiles/." "$1/staticfiles/" || true
    fi
    printf '%s\n' "$2" >"$1/REVISION"
}

# O link $1 leva à pasta $2, num passo só: quem começa no mesmo instante começa numa ou na outra.
point() { ln -s --no-target-directory "$(basename "$2")" "$RELEASES/$1.new" && mv --no-target-directory "$RELEASES/$1.new" "$RELEASES/$1"; }

# Daqui em diante os serviços iniciam a pasta $1.
switch_to() {
    local before
    rm -f "$RELEASES"/*.new
    # Tudo no disco antes que algo leve até lá: depois de uma queda de energia a pasta não pode estar vazia.
    sync --file-system "$1"
    if before=$(release_folder current) && [ "$(release_revision current)" != "$(cat "$1/REVISION")" ]; then
        point previous "$before"
    fi
    point current "$1"
}

# Ficam as mais novas, a que os serviços iniciam, a de antes, e qualquer uma em que um processo ainda esteja.
prune_releases() {
    local folder kept=0 used
    used=$(readlink "$RELEASES"/{current,previous} | sed "s#^#$RELEASES/#"; readlink /proc/[0-9]*/cwd 2>/dev/null) || true
    while IFS= read -r folder; do
        if [ -e "$folder/REVISION" ] && [ "$kept" -lt "$KEPT" ]; then
            kept=$((kept + 1))
        elif ! grep -qxF "$folder" <<<"$used"; then
            rm -rf "$folder"
        fi
    done < <(find "$RELEASES" -mindepth 1 -maxdepth 1 -type d | sort --reverse)
}
