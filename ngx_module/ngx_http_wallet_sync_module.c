/*
 * The module and its directives. This is the only file that nginx compiles itself: all the rest is C++ and is
 * built by CMake (see config.make).
 */

#include <ngx_http_wallet_sync_module.h>


#define NGX_HTTP_WALLET_SYNC_ANY_CONF  NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF


static ngx_command_t  ngx_http_wallet_sync_commands[] = {

    { ngx_string("wallet_sync"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_wallet_sync,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("wallet_sync_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_wallet_sync_metrics,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("wallet_sync_health"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_wallet_sync_health,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("wallet_sync_redis"),
      NGX_HTTP_WALLET_SYNC_ANY_CONF|NGX_CONF_1MORE,
      ngx_http_wallet_sync_redis,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("wallet_sync_accounts"),
      NGX_HTTP_WALLET_SYNC_ANY_CONF|NGX_CONF_1MORE,
      ngx_http_wallet_sync_accounts,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("wallet_sync_account_deletion"),
      NGX_HTTP_WALLET_SYNC_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_wallet_sync_account_deletion,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("wallet_sync_max_body"),
      NGX_HTTP_WALLET_SYNC_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_wallet_sync_max_body,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("wallet_sync_login_attempts"),
      NGX_HTTP_WALLET_SYNC_ANY_CONF|NGX_CONF_TAKE12,
      ngx_http_wallet_sync_login_attempts,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("wallet_sync_unverified_lifetime"),
      NGX_HTTP_WALLET_SYNC_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_wallet_sync_unverified_lifetime,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("wallet_sync_ping_interval"),
      NGX_HTTP_WALLET_SYNC_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_wallet_sync_ping_interval,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("wallet_sync_drain_time"),
      NGX_HTTP_WALLET_SYNC_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_wallet_sync_drain_time,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("wallet_sync_max_sockets_per_account"),
      NGX_HTTP_WALLET_SYNC_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_wallet_sync_max_sockets_per_account,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("wallet_sync_mail"),
      NGX_HTTP_WALLET_SYNC_ANY_CONF|NGX_CONF_1MORE,
      ngx_http_wallet_sync_mail,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("wallet_sync_thread_pool"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_wallet_sync_thread_pool,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_wallet_sync_module_ctx = {
    ngx_http_wallet_sync_preconfiguration, /* preconfiguration */
    ngx_http_wallet_sync_postconfiguration, /* postconfiguration */

    ngx_http_wallet_sync_create_main_conf, /* create main configuration */
    ngx_http_wallet_sync_init_main_conf,   /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_wallet_sync_create_loc_conf,  /* create location configuration */
    ngx_http_wallet_sync_merge_loc_conf    /* merge location configuration */
};


ngx_module_t  ngx_http_wallet_sync_module = {
    NGX_MODULE_V1,
    &ngx_http_wallet_sync_module_ctx,      /* module context */
    ngx_http_wallet_sync_commands,         /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_wallet_sync_init_module,      /* init module */
    ngx_http_wallet_sync_init_process,     /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_wallet_sync_exit_process,     /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};
