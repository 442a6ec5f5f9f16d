# Os passos de install.sh: have_NOME diz se já está feito, make_NOME o faz.
# shellcheck shell=bash

# O que a configuração diz de $1: a daqui ou, antes de haver uma, a que se vai usar.
env_value() {
    local file=$DIR/.env
    [ -f "$file" ] || file=${ENV_FILE:-/dev/null}
    sed -n "s/^$1=//p" "$file" | tail -n 1
}
secret() { head -c 48 /dev/urandom | base64 --wrap=0 | tr -d '+/='; }
is_local() { [[ $1 =~ [@/](127\.0\.0\.1|localhost)[:/] ]]; }
runs() { [[ " ${UNITS[*]} " == *" $1 "* ]]; }

# -- Pacotes ---------------------------------------------------------------------------------------

packages() {
    printf '%s\n' git sudo ca-certificates openssl logrotate age postgresql-client redis-tools
    ! is_local "$DATABASE_URL" || printf '%s\n' postgresql
    ! is_local "$REDIS_URL" || printf '%s\n' redis-server
    ! runs web || printf '%s\n' nginx
}
missing_packages() {
    local name
    for name in $(packages); do
        [ "$(dpkg-query -Wf '${Status}' "$name" 2>/dev/null)" = "install ok installed" ] || printf '%s\n' "$name"
    done
}
have_packages() { [ -z "$(missing_packages)" ]; }
make_packages() {
    local missing
    mapfile -t missing < <(missing_packages)
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

check_versions() {
    local found
    if is_local "$DATABASE_URL"; then
        systemctl start postgresql
        found=$(runuser -u postgres -- psql -XAtc 'SHOW server_version_num') || die "o PostgreSQL daqui não responde."
        [ "$found" -ge 150000 ] || die "o PostgreSQL deste sistema é velho ($found); o Flowlog pede o 15 ou mais novo."
    fi
    if is_local "$REDIS_URL"; then
        systemctl start redis-server
        found=$(redis-cli info server | sed -n 's/^redis_version:\([0-9]*\).*/\1/p') || die "o Redis daqui não responde."
        [ "${found:-0}" -ge 7 ] || die "o Redis deste sistema é velho (${found:-não responde}); o Flowlog pede o 7 ou mais novo."
    fi
}

# -- Usuário, código, pastas -----------------------------------------------------------------------

have_user() { getent passwd "$APP_USER" >/dev/null; }
make_user() { useradd --system --user-group --create-home --home-dir /var/lib/flowlog --shell /bin/bash "$APP_USER"; }

have_code() { [ -d "$DIR/.git" ]; }
make_code() {
    install -d -o "$APP_USER" -g "$APP_USER" -m 755 "$DIR"
    cd "$DIR" || exit 1
    as_app git clone --quiet --branch "$BRANCH" "$REPO" "$DIR" ||
        die "$APP_USER não conseguiu clonar $REPO (um repositório fechado pede uma chave em /var/lib/flowlog/.ssh)."
}

# .env fica com root, para que os serviços o leiam e não o mudem.
foreign_file() { find "$DIR" ! -user "$APP_USER" ! -path "$DIR/.env" -print -quit; }
have_folders() {
    [ -d "$DIR/logs" ] && [ -d "$DIR/var" ] && [ -d "$BACKUPS" ] && [ -z "$(foreign_file)" ]
}
make_folders() {
    chown --recursive --no-dereference "$APP_USER:$APP_USER" "$DIR"
    # Na pasta dele trabalha só ele: um link que ele pusesse ali levaria a mão de root a outro lugar.
    as_app mkdir -p -m 750 "$DIR/logs" "$DIR/var"
    install -d -o "$APP_USER" -g "$APP_USER" -m 700 "$BACKUPS"
}

# -- Python ----------------------------------------------------------------------------------------

have_venv() { as_app "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 13))'; }
make_venv() {
    local found
    # Debian 13 o tem nos pacotes; Debian 12 e Ubuntu 24.04, não.
    if [ -z "$WANTED_PYTHON" ] && apt-cache show python3.13-venv >/dev/null 2>&1; then
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3.13-venv >/dev/null
    fi
    found=$(as_app env PYTHON="$WANTED_PYTHON" sh "$DIR/deploy/find_python.sh") ||
        die "$APP_USER não encontra um Python 3.13 com venv. Instale-o onde ele o alcance (não em /root): o pacote" \
            "python3.13-venv onde existe, uv, ou pyenv em /opt; e diga qual com --python /opt/…/bin/python3.13"
    as_app "$found" -m venv --clear "$DIR/.venv"
}

have_requirements() {
    local answer
    answer=$(as_app "$PYTHON" -m pip install --disable-pip-version-check --no-index --dry-run -r requirements.txt) &&
        [[ $answer != *"Would install"* ]]
}
make_requirements() { install_packages as_app; }

# -- Configuração ----------------------------------------------------------------------------------

have_env() {
    [ -f "$DIR/.env" ] && [ ! -L "$DIR/.env" ] && [ "$(stat -c '%a %U %G' "$DIR/.env")" = "640 root $APP_USER" ]
}
make_env() {
    local from=$DIR/.env new
    [ ! -L "$from" ] || die "$from é um link; ponha no lugar dele o arquivo."
    new=$(mktemp)
    if [ -f "$from" ]; then
        cat "$from"
    elif [ -n "$ENV_FILE" ]; then
        cat "$ENV_FILE"
    else
        new_env
    fi >"$new"
    # Um arquivo novo no lugar do que houver.
    install -o root -g "$APP_USER" -m 640 -T "$new" "$DIR/.env"
    rm "$new"
}
new_env() {
    cat <<TEXT
# A configuração do Flowlog neste servidor. .env.example diz o que é cada linha e o que mais há.
DEBUG=false
SECRET_KEY=$(secret)
CREDENTIALS_KEYS=$(head -c 32 /dev/urandom | base64)
ALLOWED_HOSTS=$DOMAIN
SITE_URL=https://$DOMAIN
TRUSTED_PROXIES=1
DATABASE_URL=$DATABASE_URL
REDIS_URL=$REDIS_URL
EVOLUTION_API_URL=$EVOLUTION_URL
EVOLUTION_API_KEY=${EVOLUTION_API_KEY:-}
EVOLUTION_INSTANCE=$INSTANCE
EVOLUTION_WEBHOOK_SECRET=$(secret)
TRACKING_WEBHOOK_SECRET=$(secret)
METRICS_TOKEN=$(secret)
TEXT
}

# -- PostgreSQL e Redis ----------------------------------------------------------------------------

# Lê usuário, senha e banco do .env, para que valha o que o Flowlog vai usar.
read_database() { take_database as_app "$PYTHON" "$DIR/deploy/pgenv.py"; }
as_postgres() { (cd / && env -u PGHOST -u PGPASSWORD -u PGUSER -u PGDATABASE runuser -u postgres -- "$@"); }
have_database() (
    read_database
    check=${PGDATABASE}_restore_check
    psql -XAtqc 'SELECT 1' >/dev/null && PGDATABASE=$check psql -XAtqc 'SELECT 1' >/dev/null
)
make_database() (
    read_database || exit 1
    for name in "$PGUSER" "$PGDATABASE"; do
        [[ $name =~ ^[a-z_][a-z0-9_]*$ ]] || die "o nome \"$name\" em DATABASE_URL: só letras minúsculas, números e _."
    done
    [[ ${PGPASSWORD:-} =~ ^[A-Za-z0-9._~-]+$ ]] ||
        die "a senha em DATABASE_URL: só letras, números e . _ ~ - (ou crie o banco à mão)."
    # A senha vai pela entrada, não pela lista de processos.
    as_postgres psql -XAtq -v ON_ERROR_STOP=1 >/dev/null <<SQL
SELECT 'CREATE ROLE $PGUSER' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '$PGUSER') \\gexec
ALTER ROLE $PGUSER LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD '$PGPASSWORD';
SQL
    for name in "$PGDATABASE" "${PGDATABASE}_restore_check"; do
        as_postgres psql -XAtq -v ON_ERROR_STOP=1 >/dev/null <<SQL
SELECT 'CREATE DATABASE $name OWNER $PGUSER ENCODING ''UTF8'' TEMPLATE template0'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '$name') \\gexec
REVOKE ALL ON DATABASE $name FROM PUBLIC;
SQL
    done
    psql -XAtqc 'SELECT 1' >/dev/null || die "$PGUSER não consegue entrar em $PGDATABASE; veja pg_hba.conf."
)

REDIS_SETTINGS=("appendonly yes" "appendfsync everysec" "maxmemory-policy noeviction")
have_redis() {
    local setting
    for setting in "${REDIS_SETTINGS[@]}"; do
        [ "$(redis-cli config get "${setting% *}" | tail -n 1)" = "${setting#* }" ] || return 1
    done
    [ "$(cat /etc/redis/flowlog.conf)" = "$(printf '%s\n' "${REDIS_SETTINGS[@]}")" ] &&
        grep -qx 'include /etc/redis/flowlog.conf' /etc/redis/redis.conf
}
make_redis() {
    local setting
    # Primeiro ao vivo: assim o arquivo de appendonly já nasce com o que o Redis tem na memória.
    for setting in "${REDIS_SETTINGS[@]}"; do
        [ "$(redis-cli config set "${setting% *}" "${setting#* }")" = OK ] || die "o Redis recusou: $setting"
    done
    printf '%s\n' "${REDIS_SETTINGS[@]}" >/etc/redis/flowlog.conf
    grep -qx 'include /etc/redis/flowlog.conf' /etc/redis/redis.conf ||
        printf '\ninclude /etc/redis/flowlog.conf\n' >>/etc/redis/redis.conf
}

# -- Serviços --------------------------------------------------------------------------------------

# Um arquivo desta pasta, a do clone de root, com os nomes deste servidor no lugar.
rendered() {
    # Onde o IPv6 está desligado o nginx não pode escutar nele.
    sed -e "s#/opt/flowlog#$DIR#g" -e "s#@DOMAIN@#$DOMAIN#g" -e "s#@CERTIFICATE@#$CERTIFICATE#g" \
        -e "s#@KEY@#$KEY#g" -e "$([ -e /proc/net/if_inet6 ] || printf '/listen \\[::\\]/d')" "$ROOT/deploy/$1"
}
is_rendered() { [ -f "$2" ] && [ "$(rendered "$1")" = "$(cat "$2")" ]; }

unit_files() { (cd "$ROOT/deploy/systemd" && find . -type f -printf '%P\n'); }
have_units() {
    local file
    for file in $(unit_files); do
        is_rendered "systemd/$file" "/etc/systemd/system/$file" || return 1
    done
    [ -n "$(unit_files)" ]
}
make_units() {
    local file
    for file in $(unit_files); do
        mkdir -p "$(dirname "/etc/systemd/system/$file")"
        rendered "systemd/$file" >"/etc/systemd/system/$file"
    done
    systemctl daemon-reload
    # Os que já rodam, para que as unidades novas valham; os outros começam mais adiante.
    systemctl try-restart "${UNITS[@]/#/flowlog-}"
}

SUDOERS=/etc/sudoers.d/flowlog
sudo_rules() {
    local unit
    for unit in web worker-default worker-whatsapp; do
        printf '%s ALL=(root) NOPASSWD: /usr/bin/systemctl restart flowlog-%s\n' "$APP_USER" "$unit"
    done
}
have_sudoers() { [ "$(sudo_rules)" = "$(cat "$SUDOERS")" ]; }
make_sudoers() {
    sudo_rules >"$SUDOERS.new"
    chmod 440 "$SUDOERS.new"
    visudo --quiet --check --file="$SUDOERS.new"
    mv "$SUDOERS.new" "$SUDOERS"
}

have_logrotate() { is_rendered logrotate/flowlog /etc/logrotate.d/flowlog; }
make_logrotate() { rendered logrotate/flowlog >/etc/logrotate.d/flowlog; }

use_provisional_certificate() {
    CERTIFICATE=/etc/flowlog/tls/provisional.pem KEY=/etc/flowlog/tls/provisional.key
    ensure certificate "Certificado TLS provisório para $DOMAIN: os navegadores o recusam; veja DEPLOY.md"
}
have_certificate() {
    openssl x509 -in "$CERTIFICATE" -noout -checkend 86400 >/dev/null &&
        openssl x509 -in "$CERTIFICATE" -noout -checkhost "$DOMAIN" | grep -q "does match"
}
make_certificate() {
    install -d -m 700 /etc/flowlog/tls
    openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj "/CN=$DOMAIN" -addext "subjectAltName=DNS:$DOMAIN" \
        -keyout "$KEY" -out "$CERTIFICATE" 2>/dev/null
    ! systemctl --quiet is-active nginx || systemctl reload nginx
}

SITE=/etc/nginx/sites-available/flowlog
have_nginx() {
    is_rendered nginx/flowlog.conf "$SITE" && [ -L /etc/nginx/sites-enabled/flowlog ] &&
        systemctl --quiet is-enabled nginx && systemctl --quiet is-active nginx
}
make_nginx() {
    rendered nginx/flowlog.conf >"$SITE"
    ln -sf "$SITE" /etc/nginx/sites-enabled/flowlog
    nginx -t -q || die "o nginx recusa a configuração (acima)."
    systemctl enable --quiet nginx
    systemctl reload-or-restart nginx
}

have_schema() {
    read_database && as_app "$PYTHON" manage.py migrate --check >/dev/null &&
        [ "$(psql -XAtqc 'SELECT count(*) FROM orders_store')" != 0 ]
}
make_schema() {
    as_app "$PYTHON" manage.py migrate --verbosity 0
    as_app "$PYTHON" manage.py bootstrap
}

# O que as unidades chamam antes de cada início: de root, para que nem quem roda os serviços nem a revisão no clone o mudem.
OWN_SCRIPTS=/usr/local/lib/flowlog
have_scripts() {
    local file
    for file in take_over.sh release_folders.sh lib.sh; do
        is_rendered "$file" "$OWN_SCRIPTS/$file" || return 1
    done
}
make_scripts() {
    local file
    install -d -m 755 "$OWN_SCRIPTS"
    for file in take_over.sh release_folders.sh lib.sh; do
        rendered "$file" >"$OWN_SCRIPTS/$file"
    done
    chmod 755 "$OWN_SCRIPTS/take_over.sh"
}

# Um Python que se foi (uma versão nova do sistema) leva o ambiente da release consigo, como o do clone.
have_release() {
    [ -f "$DIR/releases/current/REVISION" ] && as_app "$DIR/releases/current/.venv/bin/python" -c 'import django'
}
make_release() { as_app "$OWN_SCRIPTS/take_over.sh" --first; }

services() {
    printf '%s\n' flowlog.target "${UNITS[@]/#/flowlog-}"
    ! runs web || printf '%s\n' flowlog-web.socket
}
have_services() {
    local unit
    for unit in $(services); do
        systemctl --quiet is-enabled "$unit" && systemctl --quiet is-active "$unit" || return 1
    done
}
make_services() {
    # shellcheck disable=SC2046  # uma palavra para cada unidade
    systemctl enable --quiet $(services)
    systemctl start flowlog.target
}

have_backup_timer() { systemctl --quiet is-enabled flowlog-backup.timer && systemctl --quiet is-active flowlog-backup.timer; }
make_backup_timer() { systemctl enable --quiet --now flowlog-backup.timer; }

have_first_copy() { [ -n "$(find "$BACKUPS" -maxdepth 1 -name 'flowlog-*.dump' -print -quit)" ]; }
make_first_copy() { systemctl start flowlog-backup || die "a primeira cópia falhou; veja $DIR/logs/backup.log."; }

have_hooks() { [ -d /etc/flowlog/backup.d ]; }
make_hooks() { install -d -m 755 /etc/flowlog /etc/flowlog/backup.d; }
