"""Signalbox: moves a company's production between AWS Regions, from Slack, with proof."""
