"""How devices are: alarms and their life, key figures of health, and what is going to cross a threshold."""
