//! Too few descriptors or too little memory for a newcomer, and what the process starts with.
