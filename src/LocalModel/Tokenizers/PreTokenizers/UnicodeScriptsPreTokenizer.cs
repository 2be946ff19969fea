using System.Text.Json;
using Kotonoha.Foundation.Unicode;
using Kotonoha.LocalModel.Tokenizers.Normalizers;

namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>
/// Cuts where the script changes. Hiragana and katakana count as Han; blanks and what is in no script go with what stands before them, and
/// vanish at the start of a piece (source: SentencePiece's rule as Hugging Face tokenizers has it, with the scripts of Unicode 9).
/// </summary>
internal sealed record UnicodeScriptsPreTokenizer : IPreTokenizer
{
    private const int ProlongedSoundMark = 0x30FC;
    private const int ScriptsAge = 90;

    /// <inheritdoc/>
    public void PreTokenize(PieceBuffer buffer) => buffer.Cut(default(Cutter));

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => NormalizerJson.WriteBare(writer, "UnicodeScripts");

    private readonly struct Cutter : IPieceCutter
    {
        public bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep)
        {
            end = start;
            keep = false;
            if (start >= text.Length)
                return false;
            string? script = null;
            while (end < text.Length)
            {
                int next = end;
                var other = ScriptOf(CodePoints.Next(text, ref next));
                if (other is not null && script != other)
                {
                    // What stood before the first script is a part of its own, to be dropped.
                    if (script is not null || end > start)
                        break;
                    script = other;
                }

                end = next;
            }

            keep = script is not null;
            return true;
        }

        /// <summary>The script, or null for any.</summary>
        private static string? ScriptOf(int codePoint)
        {
            if (codePoint == ProlongedSoundMark)
                return "Han";
            return codePoint == ' ' ? null : UnicodeData.GetScript(codePoint) switch
            {
                "Hiragana" or "Katakana" => "Han",
                "Unknown" => null,
                _ when UnicodeData.GetAge(codePoint) > ScriptsAge => null,
                var script => script,
            };
        }
    }
}
