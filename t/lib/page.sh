# The page for people of clients/web, which ./run serves. Sourced, not run; uses run's variables root and dir, and what
# servers.sh has.
# shellcheck shell=bash
# shellcheck disable=SC2154

page_files=(index.html page.css page.mjs wallet_sync.mjs)

# Root's checkout may lie where the workers' user cannot look: then they get a copy beside Redis' socket.
page_directory() {
    if ((EUID == 0)); then echo "$(dirname "$(redis_socket)")/page"; else echo "$root/clients/web"; fi
}

place_page() {
    ((EUID == 0)) || return 0
    local group page
    page=$(page_directory)
    read -r _ group < <(workers_user)
    install -d -m 750 -g "$group" "$(dirname "$page")"
    install -d -m 755 "$page"
    install -m 644 -t "$page" "${page_files[@]/#/$root/clients/web/}"
}

remove_page() {
    ((EUID == 0)) || return 0
    rm -rf "$(page_directory)"
    rmdir "$(dirname "$(page_directory)")" 2>/dev/null || true # Redis' socket may still be there
}

# Exact locations: all other paths are the API's.
page_locations() {
    local page file type
    page=$(page_directory)
    [[ $page != *[[:cntrl:]\"\\\$]* ]] || return 0 # a checkout whose path nginx' configuration cannot have
    echo '        location = / {'
    echo '            rewrite ^ /index.html last;'
    echo '        }'
    for file in "${page_files[@]}"; do
        case $file in
            *.html) type=text/html ;;
            *.css) type=text/css ;;
            *.mjs) type=text/javascript ;;
        esac
        cat <<END
        location = /$file {
            alias "$page/$file";
            default_type $type;
            add_header Cache-Control no-cache;
            add_header X-Content-Type-Options nosniff;
            add_header Content-Security-Policy "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        }
END
    done
}
