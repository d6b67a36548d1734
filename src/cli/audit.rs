//! `stack-audit`: does every stack run the unit definition that was declared?
