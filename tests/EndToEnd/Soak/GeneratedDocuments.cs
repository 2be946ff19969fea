using System.Globalization;
using System.Text;

namespace Kotonoha.EndToEnd.Soak;

/// <summary>
/// Documents with one word each and version that stands nowhere else, so that a search shows which version of the document is there.
/// </summary>
internal static class GeneratedDocuments
{
    private static readonly string[] Words =
        ["token", "model", "gradient", "attention", "kernel", "batch", "index", "vector", "prompt", "chunk", "loss", "layer", "埋め込み", "検索",
            "学習"];

    public static string Name(int number) => string.Create(CultureInfo.InvariantCulture, $"part-{number % 7}/document-{number:D4}.md");

    public static string UniqueWord(int number, int version) => string.Create(CultureInfo.InvariantCulture, $"kzq{number:D4}v{version}x");

    public static void Write(string folder, int count, int seed, int version)
    {
        var random = new Random(seed + version);
        for (int number = 0; number < count; number++)
        {
            var text = new StringBuilder();
            text.Append(CultureInfo.InvariantCulture, $"# Document {UniqueWord(number, version)}\n\n");
            for (int section = 0; section < 3; section++)
            {
                text.Append(CultureInfo.InvariantCulture, $"## Section {section} of {UniqueWord(number, version)}\n\n");
                for (int sentence = 0; sentence < 25; sentence++)
                    text.Append("The ").AppendJoin(' ', Enumerable.Range(0, 8).Select(_ => Words[random.Next(Words.Length)]))
                        .Append(CultureInfo.InvariantCulture, $" of {UniqueWord(number, version)} is {random.Next(1000)}.\n");
                text.Append('\n');
            }

            var path = Path.Combine(folder, Name(number));
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, text.ToString());
        }
    }
}
