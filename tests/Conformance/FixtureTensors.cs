using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;

namespace Kotonoha.Conformance;

/// <summary>Small helpers for fixtures made of safetensors and JSON files.</summary>
internal static class FixtureTensors
{
    public static int[] Ids(this SafetensorsFile file, string name) => Array.ConvertAll(file.ReadIntegers(name), i => checked((int)i));

    public static int[] Ids(this JsonElement element) => element.EnumerateArray().Select(e => e.GetInt32()).ToArray();

    public static double[] Numbers(this JsonElement element) => element.EnumerateArray().Select(e => e.GetDouble()).ToArray();

    public static string? Close(double got, double want, double absolute, double relative)
        => Math.Abs(got - want) <= absolute + relative * Math.Abs(want)
            ? null
            : FormattableString.Invariant($"{got:R} instead of {want:R}");

    /// <summary>The folders below a root, with paths relative to it, that hold a config.json of a model type.</summary>
    public static IEnumerable<string> ModelFolders(string root, string modelType)
    {
        foreach (var file in Directory.EnumerateFiles(root, "config.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            bool matches = false;
            try
            {
                using var json = JsonDocument.Parse(File.ReadAllBytes(file));
                matches = json.RootElement.ValueKind == JsonValueKind.Object
                    && json.RootElement.TryGetProperty("model_type", out var type) && type.ValueKind == JsonValueKind.String
                    && type.ValueEquals(modelType);
            }
            catch (JsonException)
            {
                // A broken file is some other runner's fixture.
            }

            if (matches)
                yield return Path.GetRelativePath(root, Path.GetDirectoryName(file)!).Replace('\\', '/');
        }
    }
}
