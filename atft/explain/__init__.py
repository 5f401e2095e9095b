"""Why a stock has its score: features, days and neighbours, of one stock-day or of a period."""
