# O que deploy.sh e rollback.sh fazem da mesma maneira. Espera lib.sh, ROOT e LOG.
# shellcheck shell=bash

SIGNERS=${SIGNERS:-/etc/flowlog/allowed_signers}
SERVICES=(flowlog-web flowlog-worker-default flowlog-worker-whatsapp)

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

# Um comando da revisão nova, em sua pasta.
manage() { (cd "$NEW" && .venv/bin/python manage.py "$@"); }

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

# Nada mudou ainda: sem as pastas de release, ou com unidades que não iniciam releases/current, o que se segue não valeria.
check_releases() {
    local service
    while IFS= read -r service; do
        [ "$(systemctl show --property=WorkingDirectory --value "$service")" = "$RELEASES/current" ] || need_install
    done < <(enabled_services)
    release_revision current >/dev/null || need_install
}
need_install() {
    die "os serviços ainda não iniciam $RELEASES/current; nada mudou. Antes: sudo git -C /root/flowlog fetch --tags origin &&" \
        "sudo git -C /root/flowlog checkout --detach $(git rev-parse HEAD) && sudo /root/flowlog/deploy/install.sh"
}

# Se o ambiente do clone tem o que a revisão na pasta $1 pede, e ninguém mexeu nele depois.
has_packages() {
    local note=$ROOT/var/requirements-of
    [ -f "$note" ] && [ ! "$(echo "$ROOT"/.venv/lib/python3.*/site-packages)" -nt "$note" ] &&
        [ "$(cat "$note")" = "$(cat "$1"/requirements*.txt | sha256sum)" ]
}

# As bibliotecas da pasta $1, que nasceu com as do clone.
install_requirements() { has_packages "$1" || (cd "$1" && install_packages); }

# As do clone, em que se digitam comandos. Nenhum serviço as usa.
refresh_clone() {
    has_packages "$ROOT" || {
        rm -f "$ROOT/var/requirements-of"
        install_packages && cat requirements*.txt | sha256sum >"$ROOT/var/requirements-of"
    }
}

# Os que existem neste servidor: web e workers podem estar em servidores diferentes.
enabled_services() {
    local service
    for service in "${SERVICES[@]}"; do
        ! systemctl --quiet is-enabled "$service" 2>/dev/null || printf '%s\n' "$service"
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
