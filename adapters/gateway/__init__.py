"""What comes from markets and goes to them: public price files, and OpenADR 3 demand response."""
