using System.Text.Json;
using Kotonoha.Tokenizers;

namespace Kotonoha.Conformance.Tokenizers;

/// <summary>Reading the JSON of tokenizer fixtures.</summary>
internal static class FixtureJson
{
    /// <summary>The rows of a .jsonl file.</summary>
    public static IEnumerable<JsonElement> Rows(string file)
        => File.ReadLines(file).Where(line => line.Length > 0).Select(line => JsonDocument.Parse(line).RootElement);

    /// <summary>The first row, or an undefined element when there is none or it is no JSON object.</summary>
    public static JsonElement FirstRow(string file)
    {
        try
        {
            return Rows(file).FirstOrDefault() is { ValueKind: JsonValueKind.Object } row ? row : default;
        }
        catch (JsonException)
        {
            return default;
        }
    }

    public static bool Flag(this JsonElement row, string name)
        => row.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    public static int[] Ints(this JsonElement row, string name) => [.. row.GetProperty(name).EnumerateArray().Select(e => e.GetInt32())];

    public static string[] Strings(this JsonElement row, string name)
        => [.. row.GetProperty(name).EnumerateArray().Select(e => e.GetString()!)];

    public static string? Text(this JsonElement row, string name)
        => row.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <summary>Null when equal, else the first place that differs.</summary>
    public static string? Differ<T>(string what, IReadOnlyList<T> got, IReadOnlyList<T> want)
    {
        for (int i = 0; i < Math.Min(got.Count, want.Count); i++)
            if (!Equals(got[i], want[i]))
                return $"{what}[{i}] is {Show(got[i])}, expected {Show(want[i])}";
        return got.Count == want.Count ? null : $"{got.Count} {what} instead of {want.Count}";
    }

    public static string? Differ(string what, string got, string want)
        => got == want ? null : $"{what} is {Show(got)}, expected {Show(want)}";

    /// <summary>Loads a tokenizer; null and a logged skip when it has a component that is not supported.</summary>
    public static Tokenizer? LoadOrSkip(string folder, string name, CaseLog log)
    {
        try
        {
            return Tokenizer.Load(folder);
        }
        catch (TokenizerException exception) when (exception.UnsupportedComponent is { } component)
        {
            log.Skip(name, $"{component} is not supported");
            return null;
        }
    }

    private static string Show(object? value) => value is string text ? JsonSerializer.Serialize(text) : $"{value}";
}
