/*
 * The module and its directives. This is the only file that nginx compiles itself: all the rest is C++ and is
 * built by CMake (see config.make).
 */

#include <ngx_http_wallet_sync_module.h>


#define NGX_HTTP_WALLET_SYNC_ANY_CONF  NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF


/* What an int holds: 24 days in milliseconds, and all that epoll_wait() takes. */
#define NGX_HTTP_WALLET_SYNC_MAX_MSEC  NGX_MAX_INT32_VALUE


/*
 * A value that one of nginx's slot functions reads. Of a wrong one these say no more than that it is wrong, so
 * what to write instead is here.
 */

typedef struct {
    ngx_conf_post_t   post;   /* has to be the first: the slot function calls it, to check the bounds */
    char           *(*slot)(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
    int64_t           min;
    int64_t           max;
    const char       *hint;
} ngx_http_wallet_sync_value_t;


static char *ngx_http_wallet_sync_check_size(ngx_conf_t *cf, void *post, void *data);
static char *ngx_http_wallet_sync_check_sec(ngx_conf_t *cf, void *post, void *data);
static char *ngx_http_wallet_sync_check_msec(ngx_conf_t *cf, void *post, void *data);
static char *ngx_http_wallet_sync_check_num(ngx_conf_t *cf, void *post, void *data);
static char *ngx_http_wallet_sync_set_value(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_http_wallet_sync_set_time_or_off(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_http_wallet_sync_set_flag(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


static ngx_http_wallet_sync_value_t  ngx_http_wallet_sync_max_body = {
    { ngx_http_wallet_sync_check_size }, ngx_conf_set_size_slot, 1, NGX_MAX_SIZE_T_VALUE,
    "a number of bytes above 0, such as 100000 or 100k"
};

static ngx_http_wallet_sync_value_t  ngx_http_wallet_sync_unverified_lifetime = {
    { ngx_http_wallet_sync_check_sec }, ngx_conf_set_sec_slot, 1, NGX_MAX_UINT32_VALUE,
    "a time above 0, such as 7d, or off"
};

static ngx_http_wallet_sync_value_t  ngx_http_wallet_sync_ping_interval = {
    { ngx_http_wallet_sync_check_msec }, ngx_conf_set_msec_slot, 1, NGX_HTTP_WALLET_SYNC_MAX_MSEC,
    "a time above 0 and of at most 24 days, such as 60s"
};

static ngx_http_wallet_sync_value_t  ngx_http_wallet_sync_drain_time = {
    { ngx_http_wallet_sync_check_msec }, ngx_conf_set_msec_slot, 0, NGX_HTTP_WALLET_SYNC_MAX_MSEC,
    "a time of at most 24 days, such as 5s"
};

static ngx_http_wallet_sync_value_t  ngx_http_wallet_sync_max_sockets = {
    { ngx_http_wallet_sync_check_num }, ngx_conf_set_num_slot, 1, NGX_MAX_INT_T_VALUE,
    "a number above 0, such as 32"
};


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
      ngx_http_wallet_sync_set_flag,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_wallet_sync_slots_t, account_deletion),
      NULL },

    { ngx_string("wallet_sync_max_body"),
      NGX_HTTP_WALLET_SYNC_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_wallet_sync_set_value,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_wallet_sync_slots_t, max_body),
      &ngx_http_wallet_sync_max_body },

    { ngx_string("wallet_sync_login_attempts"),
      NGX_HTTP_WALLET_SYNC_ANY_CONF|NGX_CONF_TAKE12,
      ngx_http_wallet_sync_login_attempts,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("wallet_sync_unverified_lifetime"),
      NGX_HTTP_WALLET_SYNC_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_wallet_sync_set_time_or_off,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_wallet_sync_slots_t, unverified_lifetime),
      &ngx_http_wallet_sync_unverified_lifetime },

    { ngx_string("wallet_sync_ping_interval"),
      NGX_HTTP_WALLET_SYNC_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_wallet_sync_set_value,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_wallet_sync_slots_t, ping_interval),
      &ngx_http_wallet_sync_ping_interval },

    { ngx_string("wallet_sync_drain_time"),
      NGX_HTTP_WALLET_SYNC_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_wallet_sync_set_value,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_wallet_sync_slots_t, drain_time),
      &ngx_http_wallet_sync_drain_time },

    { ngx_string("wallet_sync_max_sockets_per_account"),
      NGX_HTTP_WALLET_SYNC_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_wallet_sync_set_value,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_wallet_sync_slots_t, max_sockets_per_account),
      &ngx_http_wallet_sync_max_sockets },

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


static char *
ngx_http_wallet_sync_check(void *post, int64_t value)
{
    ngx_http_wallet_sync_value_t  *wanted = post;

    return value < wanted->min || value > wanted->max ? "invalid value" : NGX_CONF_OK;
}


static char *
ngx_http_wallet_sync_check_size(ngx_conf_t *cf, void *post, void *data)
{
    return ngx_http_wallet_sync_check(post, *(size_t *) data);
}


static char *
ngx_http_wallet_sync_check_sec(ngx_conf_t *cf, void *post, void *data)
{
    return ngx_http_wallet_sync_check(post, *(time_t *) data);
}


static char *
ngx_http_wallet_sync_check_msec(ngx_conf_t *cf, void *post, void *data)
{
    return ngx_http_wallet_sync_check(post, *(ngx_msec_t *) data);
}


static char *
ngx_http_wallet_sync_check_num(ngx_conf_t *cf, void *post, void *data)
{
    return ngx_http_wallet_sync_check(post, *(ngx_int_t *) data);
}


static char *
ngx_http_wallet_sync_refuse(ngx_conf_t *cf, ngx_command_t *cmd, const char *hint)
{
    ngx_str_t  *words = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%V: invalid value \"%V\"; write %s", &cmd->name, &words[1], hint);
    return NGX_CONF_ERROR;
}


/* cmd->post: a ngx_http_wallet_sync_value_t. */

static char *
ngx_http_wallet_sync_set_value(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                          *rv;
    ngx_http_wallet_sync_value_t  *wanted = cmd->post;

    rv = wanted->slot(cf, cmd, conf);

    if (rv == NGX_CONF_OK || rv == NGX_CONF_ERROR || ngx_strcmp(rv, "is duplicate") == 0) {
        return rv;
    }

    return ngx_http_wallet_sync_refuse(cf, cmd, wanted->hint);
}


/* Off is 0. */

static char *
ngx_http_wallet_sync_set_time_or_off(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    time_t     *time = (time_t *) ((char *) conf + cmd->offset);
    ngx_str_t  *words = cf->args->elts;

    if (ngx_strcmp(words[1].data, "off") != 0) {
        return ngx_http_wallet_sync_set_value(cf, cmd, conf);
    }

    if (*time != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    *time = 0;
    return NGX_CONF_OK;
}


/* nginx's own takes any case of letters. */

static char *
ngx_http_wallet_sync_set_flag(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t  *words = cf->args->elts;

    if (ngx_strcmp(words[1].data, "on") != 0 && ngx_strcmp(words[1].data, "off") != 0) {
        return ngx_http_wallet_sync_refuse(cf, cmd, "on or off");
    }

    return ngx_conf_set_flag_slot(cf, cmd, conf);
}
