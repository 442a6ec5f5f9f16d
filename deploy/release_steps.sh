# O que deploy.sh e rollback.sh fazem da mesma maneira. Espera lib.sh, ROOT e LOG.
# shellcheck shell=bash

SERVICES=(flowlog-web flowlog-worker-default flowlog-worker-whatsapp)

short() { printf '%.12s' "$1"; }

# O que roda de verdade: a revisão que o serviço web anotou quando começou. O código na pasta pode ser mais novo, quando
# alguém já fez git pull à mão. Sem anotação vale o que está na pasta.
running_revision() {
    local noted=""
    [ ! -f "$ROOT/var/web-revision" ] || noted=$(cat "$ROOT/var/web-revision")
    if [[ $noted =~ ^[0-9a-f]{40}$ ]] && as_app git cat-file -e "$noted^{commit}" 2>/dev/null; then
        printf '%s' "$noted"
    else
        as_app git rev-parse HEAD
    fi
}

manage() { as_app "$PYTHON" manage.py "$@"; }

# Um passo, na tela e no registro; devolve o seu resultado.
step() {
    local name=$1 status=0
    shift
    log "· $name"
    # O registro guarda também o que o passo disse.
    { "$@" 2>&1 || status=$?; } > >(tee -a "$LOG")
    wait $! || true
    [ "$status" = 0 ] || log "  ✘ $name falhou ($status)."
    return "$status"
}

install_requirements() {
    as_app "$PYTHON" -m pip install --disable-pip-version-check --quiet --requirement requirements.txt
}

collect_static() { manage collectstatic --no-input --verbosity 0; }

# Os que existem neste servidor: web e workers podem estar em servidores diferentes.
restart_services() {
    local service found=()
    for service in "${SERVICES[@]}"; do
        ! systemctl --quiet is-enabled "$service" || found+=("$service")
    done
    [ ${#found[@]} -gt 0 ] || { printf 'nenhum serviço do Flowlog está ligado neste servidor.\n'; return 1; }
    for service in "${found[@]}"; do
        control restart "$service" || return 1
    done
}

# Se este servidor tem o serviço web, espera que ele responda, até $1 segundos.
web_answers() {
    systemctl --quiet is-enabled flowlog-web || return 0
    as_app "$PYTHON" - "$1" <<'PY'
import sys, time, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# Por relógio: o socket do systemd aceita conexões também quando ninguém as atende.
ends = time.monotonic() + int(sys.argv[1])
while time.monotonic() < ends:
    try:
        opener.open("http://127.0.0.1:8000/healthz", timeout=5).close()
        sys.exit()
    except OSError as error:
        problem = error
        time.sleep(1)
sys.exit(f"o serviço web não responde ({problem}); veja: journalctl -u flowlog-web")
PY
}

# Migrations que o banco tem e a revisão $1 não conhece, e quais delas tiraram ou mudaram algo de que ela precisa.
warn_about_schema() {
    local revision=$1 file newer=() breaking=()
    mapfile -t newer < <(as_app git diff --name-only --diff-filter=A "$revision" "$NEWEST" -- '*/migrations/0*.py')
    [ ${#newer[@]} -gt 0 ] || return 0
    for file in "${newer[@]}"; do
        if as_app git show "$NEWEST:$file" |
            grep -qE 'RemoveField|DeleteModel|RenameField|RenameModel|AlterModelTable|RunSQL'; then
            breaking+=("$file")
        fi
    done
    log "O banco tem migrations mais novas que esta revisão: ${newer[*]}. O esquema fica como está."
    [ ${#breaking[@]} = 0 ] ||
        log "ATENÇÃO: estas tiraram ou renomearam algo de que a revisão antiga talvez precise: ${breaking[*]}. Se ela falhar, corrija o código novo em vez de voltar."
}
