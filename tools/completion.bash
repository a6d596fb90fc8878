# Completion of wallet-sync-admin, wallet-sync-import, wallet-sync-export and wallet-sync-backup in bash.
# shellcheck shell=bash

_wallet_sync() {
    local tool=${COMP_WORDS[0]##*/} current=${COMP_WORDS[COMP_CWORD]} command='' word i
    local options='--redis --json --help' words=''
    case $tool in
        wallet-sync-import) options+=' --dry-run --progress --unverified-lifetime' ;;
        wallet-sync-backup)
            options='--redis --help'
            ((COMP_CWORD > 1)) || words='save restore'
            ;;
        wallet-sync-admin)
            for ((i = 1; i < COMP_CWORD; ++i)); do
                word=${COMP_WORDS[i]}
                if [[ $word == --redis ]]; then
                    ((++i))
                elif [[ $word != -* ]]; then
                    command+="${command:+ }$word"
                fi
            done
            case $command in
                '') words='list show verify revoke delete whitelist stats check' ;;
                whitelist) words='list add remove' ;;
                list) options+=' --verified --unverified' ;;
                delete | delete\ *) options+=' --yes' ;;
            esac
            ;;
    esac
    if [[ $current == -* ]]; then
        words=$options
    elif [[ $tool != wallet-sync-admin && -z $words ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _wallet_sync wallet-sync-admin
complete -o filenames -F _wallet_sync wallet-sync-import wallet-sync-export wallet-sync-backup
