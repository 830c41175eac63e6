"""The whole world on one machine: Slack, AWS, Kubernetes, DNS, customers and faults. Imports nothing else of bot."""
