using System.Text.Json;

namespace Kotonoha.Server.Work;

/// <summary>
/// What tokens cost: a JSON file such as <c>{"currency": "EUR", "models": {"chat": {"prompt": 0.5, "completion": 1.5}}}</c>.
/// </summary>
/// <remarks>Prices are of a million tokens. The model <c>*</c> stands for those that are not named.</remarks>
internal sealed class PriceTable
{
    private const string Setting = "prices", Others = "*";
    private const decimal Unit = 1_000_000;

    private readonly Dictionary<string, (decimal Prompt, decimal Completion)> _models = new(StringComparer.Ordinal);

    private PriceTable()
    {
    }

    /// <summary>The currency; empty where there are no prices.</summary>
    public string Currency { get; private init; } = "";

    public bool IsOn => Currency.Length > 0;

    /// <summary>Reads the table that the settings name; an empty one where they name none.</summary>
    /// <exception cref="ServerSettingException">The file is not there, or something in it cannot be used.</exception>
    public static PriceTable Read(ServerOptions options)
    {
        if (options.Prices is not { } path)
            return new PriceTable();
        try
        {
            using var file = JsonDocument.Parse(File.ReadAllBytes(path));
            var currency = file.RootElement.GetProperty("currency").GetString();
            if (string.IsNullOrWhiteSpace(currency))
                throw new ServerSettingException(Setting, $"'{path}' has no currency");
            var table = new PriceTable { Currency = currency };
            foreach (var model in file.RootElement.GetProperty("models").EnumerateObject())
            {
                var price = (model.Value.GetProperty("prompt").GetDecimal(), model.Value.GetProperty("completion").GetDecimal());
                if (price is not ( >= 0, >= 0))
                    throw new ServerSettingException(Setting, $"'{path}': the price of '{model.Name}' is below 0");
                table._models[model.Name] = price;
            }

            return table;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ServerSettingException(Setting, $"'{path}' cannot be read: {exception.Message}");
        }
        catch (Exception exception) when (
            exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new ServerSettingException(Setting, $"'{path}' is no table of prices, such as "
                + "{\"currency\": \"EUR\", \"models\": {\"*\": {\"prompt\": 0.5, \"completion\": 1.5}}}: " + exception.Message);
        }
    }

    /// <summary>What tokens of a model cost; null where it has no price.</summary>
    public decimal? Cost(string model, long promptTokens, long completionTokens)
        => _models.TryGetValue(model, out var price) || _models.TryGetValue(Others, out price)
            ? ((price.Prompt * promptTokens) + (price.Completion * completionTokens)) / Unit
            : null;
}
