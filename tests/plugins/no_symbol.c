/* no_symbol.c - a shared object that is no plugin. */
extern const int berth_something_else;
const int berth_something_else = 1;
