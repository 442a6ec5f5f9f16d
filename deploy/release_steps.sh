# O que deploy.sh e rollback.sh fazem da mesma maneira. Espera lib.sh, ROOT e LOG.
# shellcheck shell=bash

SIGNERS=${SIGNERS:-/etc/flowlog/allowed_signers}
SERVICES=(flowlog-web flowlog-worker-default flowlog-worker-whatsapp)

short() { printf '%.12s' "$1"; }

# O que roda de verdade: a revisão que o serviço web anotou quando começou. O código na pasta pode ser mais novo, quando
# alguém já fez git pull à mão. Sem anotação vale o que está na pasta.
running_revision() { noted_revision web-revision || git rev-parse HEAD; }

# A revisão que deploy/note_revision.sh anotou em var/$1, se há e se existe.
noted_revision() {
    local noted=""
    [ ! -f "$ROOT/var/$1" ] || noted=$(cat "$ROOT/var/$1")
    [[ $noted =~ ^[0-9a-f]{40}$ ]] && git cat-file -e "$noted^{commit}" 2>/dev/null && printf '%s' "$noted"
}

# O ramo que rollback.sh deixou, se desde então ninguém mexeu no código.
branch_before_rollback() {
    local commit branch
    read -r commit branch <"$ROOT/var/rolled-back" && [ "$commit" = "$(git rev-parse HEAD)" ] && printf '%s' "$branch"
} 2>/dev/null

# Código mexido à mão se perderia, ou entraria sem que ninguém soubesse.
check_clean() {
    local changes
    changes=$(git status --porcelain) || die "o git não responde em $ROOT (acima); nada mudou."
    [ -z "$changes" ] ||
        die "há mudanças feitas à mão no código; veja \"sudo -u $APP_USER git -C $ROOT status\" e guarde-as ou desfaça-as."
}

# Quem pôs chaves em SIGNERS só aceita uma revisão com uma tag que uma delas assinou.
check_signature() {
    local tag
    [ -e "$SIGNERS" ] || return 0
    while IFS= read -r tag; do
        git -c gpg.ssh.allowedSignersFile="$SIGNERS" verify-tag --raw "$tag" 2>&1 | grep -q '^Good "git" signature for ' && return 0
    done < <(git tag --points-at "$1")
    die "a revisão $(short "$1") não leva uma tag assinada por quem está em $SIGNERS; nada mudou."
}

manage() { "$PYTHON" manage.py "$@"; }

# Um passo, na tela e no registro; devolve o seu resultado.
step() {
    local name=$1 status=0
    shift
    log "· $name"
    # O registro guarda também o que o passo disse. Nada que ele deixe rodando segura a trava (9).
    "$@" 2>&1 9<&- | tee --output-error=warn --append "$LOG" 9<&- || status=${PIPESTATUS[0]}
    [ "$status" = 0 ] || log "  ✘ $name falhou ($status)."
    return "$status"
}

# Faz o resto da linha, a não ser que já tenha sido feito para a mesma marca $2 e ninguém tenha mexido em $3 depois.
unless_done() {
    local note=$ROOT/var/$1 mark=$2 result=$3
    shift 3
    if [ -e "$result" ] && [ ! "$result" -nt "$note" ] && [ "$(cat "$note" 2>/dev/null)" = "$mark" ]; then
        return 0
    fi
    rm -f "$note"
    "$@" && printf '%s\n' "$mark" >"$note"
}

# Qualquer pacote que entra ou sai muda a pasta deles.
install_requirements() {
    unless_done requirements-of "$(cat requirements*.txt | sha256sum)" "$(echo .venv/lib/python3.*/site-packages)" install_packages
}

# Saem dos arquivos de static/, dos que as bibliotecas trazem e de como settings.py os guarda.
collect_static() {
    unless_done static-of "$(git ls-files --stage -- 'static/*' '*/static/*' requirements.txt flowlog/settings.py | sha256sum)" \
        staticfiles/staticfiles.json manage collectstatic --no-input --verbosity 0
}

# Os que existem neste servidor: web e workers podem estar em servidores diferentes.
enabled_services() {
    local service
    for service in "${SERVICES[@]}"; do
        ! systemctl --quiet is-enabled "$service" || printf '%s\n' "$service"
    done
}

# As filas que este servidor atende, como postdeploy as quer: default,whatsapp
served_queues() { enabled_services | sed -n 's/^flowlog-worker-//p' | paste -sd,; }

# Todos ao mesmo tempo: cada worker termina primeiro o que tem em mãos, e um não espera pelo outro.
restart_services() {
    local service found pids=() pid status=0
    mapfile -t found < <(enabled_services)
    [ ${#found[@]} -gt 0 ] || { printf 'nenhum serviço do Flowlog está ligado neste servidor.\n'; return 1; }
    for service in "${found[@]}"; do
        control restart "$service" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || status=1
    done
    return "$status"
}

# Se este servidor tem o serviço web, espera que ele responda, até $1 segundos.
web_answers() {
    systemctl --quiet is-enabled flowlog-web || return 0
    "$PYTHON" - "$1" <<'PY'
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

# O que o banco tem que a revisão $1 não conhece, e o que disso lhe faria falta. Só avisa: nunca segura um rollback.
warn_about_schema() {
    local revision=$1 said="" line status=0 newer=()
    said=$(timeout 60 "$PYTHON" manage.py check_migrations --against "$revision" 2>/dev/null) || status=$?
    if [ "$status" -le 1 ] && [ -n "$said" ]; then
        while IFS= read -r line; do log "$line"; done <<<"$said"
        return 0
    fi
    # O código que está aqui não roda, ou o banco não responde: resta o que o repositório sabe.
    mapfile -t newer < <(
        git log --branches HEAD "${NEWEST:-HEAD}" --not "$revision" \
            --diff-filter=A --name-only --format= -- '*/migrations/0*.py' | sort -u
    )
    [ ${#newer[@]} = 0 ] || log "ATENÇÃO: não foi possível conferir o banco. Se alguma destas migrations, que a revisão $(short "$revision") não conhece, já foi aplicada, ela pode falhar: ${newer[*]}"
}
