# libxenstore with the ABI of Xen 4.17's, in a folder that can be used where it is and
# moved elsewhere: the library, its header and xenstore.pc.

LIBXENSTORE := $(BUILD)/libxenstore
LIBXENSTORE_OBJ := $(call obj,$(wildcard libxenstore/*.c))
LIBXENSTORE_HEADERS := $(patsubst libxenstore/%,$(LIBXENSTORE)/%,\
	$(shell find libxenstore/include -name '*.h'))

LIBXENSTORE_TESTS := $(filter $(BUILD)/test/unit/libxenstore_%,$(UNIT_BIN)) \
	$(filter $(BUILD)/test/stress/libxenstore_%,$(STRESS_BIN))

.PHONY: libxenstore
libxenstore: $(LIBXENSTORE)/libxenstore.so $(LIBXENSTORE)/libxenstore.so.4 \
	$(LIBXENSTORE)/xenstore.pc $(LIBXENSTORE_HEADERS)

$(LIBXENSTORE_OBJ): ALL_CFLAGS += -fPIC

# The sanitizers' libraries are the program's to link.
$(LIBXENSTORE)/libxenstore.so.4.0: $(LIBXENSTORE_OBJ) libxenstore/libxenstore.map
	$(CC) $(SAN) -shared -o $@ $(LIBXENSTORE_OBJ) -Wl,-soname,libxenstore.so.4 \
		-Wl,--version-script=libxenstore/libxenstore.map $(if $(SAN),,-Wl,-z,defs) -pthread

$(LIBXENSTORE)/libxenstore.so $(LIBXENSTORE)/libxenstore.so.4: $(LIBXENSTORE)/libxenstore.so.4.0
	@ln -sf $(<F) $@

$(LIBXENSTORE)/xenstore.pc $(LIBXENSTORE_HEADERS): $(LIBXENSTORE)/%: libxenstore/%
	@mkdir -p $(@D)
	@cp $< $@

# Its tests link to it as programs do.
$(LIBXENSTORE_TESTS): $(LIBXENSTORE)/libxenstore.so $(LIBXENSTORE)/libxenstore.so.4
$(LIBXENSTORE_TESTS): LIBS += -L$(LIBXENSTORE) -lxenstore -Wl,-rpath,$(abspath $(LIBXENSTORE))
