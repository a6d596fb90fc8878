/*
 * What the directive table in ngx_http_wallet_sync_module.c needs of the C++ side.
 */

#ifndef NGX_HTTP_WALLET_SYNC_MODULE_H_INCLUDED_
#define NGX_HTTP_WALLET_SYNC_MODULE_H_INCLUDED_

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#ifdef __cplusplus
extern "C" {
#endif

extern ngx_module_t  ngx_http_wallet_sync_module;

/*
 * What a block says that nginx's own slot functions read. It is the beginning of what nginx keeps for it; the
 * rest is in config.hpp. Before the merge: unset where it is to be inherited.
 */
typedef struct {
    size_t      max_body;                  /* bytes */
    ngx_flag_t  account_deletion;
    time_t      unverified_lifetime;       /* seconds; 0: no end */
    ngx_msec_t  ping_interval;
    ngx_msec_t  drain_time;
    ngx_int_t   max_sockets_per_account;   /* in a worker */
} ngx_http_wallet_sync_slots_t;

void *ngx_http_wallet_sync_create_main_conf(ngx_conf_t *cf);
char *ngx_http_wallet_sync_init_main_conf(ngx_conf_t *cf, void *conf);
void *ngx_http_wallet_sync_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_wallet_sync_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);
ngx_int_t ngx_http_wallet_sync_preconfiguration(ngx_conf_t *cf);
ngx_int_t ngx_http_wallet_sync_postconfiguration(ngx_conf_t *cf);

char *ngx_http_wallet_sync(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_wallet_sync_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_wallet_sync_health(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_wallet_sync_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_wallet_sync_accounts(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_wallet_sync_login_attempts(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_wallet_sync_mail(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_wallet_sync_thread_pool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

ngx_int_t ngx_http_wallet_sync_init_module(ngx_cycle_t *cycle);
ngx_int_t ngx_http_wallet_sync_init_process(ngx_cycle_t *cycle);
void ngx_http_wallet_sync_exit_process(ngx_cycle_t *cycle);

#ifdef __cplusplus
}
#endif

#endif /* NGX_HTTP_WALLET_SYNC_MODULE_H_INCLUDED_ */
