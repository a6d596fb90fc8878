# The rule for the archive, added to nginx's objs/Makefile.
#
# CMake, not make, knows what depends on what, so the rule always runs: after an edit, `make` is enough. An
# archive that comes out unchanged keeps its time, and nothing is linked again. $(MAKE) shares make's job slots.
# The flags go along as they are, for a macro may change nginx's structures (see CMakeLists.txt).

cat << END                                                    >> $NGX_MAKEFILE

$ngx_wallet_sync_archive:	ngx_wallet_sync_force
	cmake -S \$(abspath $ngx_addon_dir) -B $NGX_OBJS/wallet_sync -G "Unix Makefiles" --log-level=WARNING \\
		-DCMAKE_CXX_COMPILER=$ngx_wallet_sync_cxx -DWALLET_SYNC_ASAN=$ngx_wallet_sync_asan \\
		-DWALLET_SYNC_WERROR=$ngx_wallet_sync_werror \\
		-DWALLET_SYNC_SCRYPT_KDF=$ngx_wallet_sync_scrypt_kdf \\
		-DNGX_SRC=\$(CURDIR) -DNGX_OBJS=\$(abspath $NGX_OBJS) \\
		-DNGX_FLAGS='\$(subst ','\\'',\$(CFLAGS) \$(ALL_INCS))'
	+\$(MAKE) --no-print-directory -C $NGX_OBJS/wallet_sync ngx_wallet_sync

ngx_wallet_sync_force:

END
