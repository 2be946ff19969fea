using System.Text;
using UtfUnknown;

namespace Kotonoha.Readers;

/// <summary>Finds the encoding of text from before Unicode, which nothing declares.</summary>
/// <remarks>Each encoding in use is tried; what it makes of the bytes must be free of characters that no text has, come back as the same
/// text, and look like writing (<see cref="TextPlausibility"/>). Where two readings are about as good, a statistical detector (UTF.Unknown)
/// may decide between them; otherwise the file is refused with both named.</remarks>
internal static class EncodingGuess
{
    /// <summary>Readings below this are no writing.</summary>
    internal const double LeastPlausibility = 0.5;

    /// <summary>A reading that is better by this much needs no second opinion.</summary>
    private const double Lead = 0.15;

    /// <summary>How much more it takes with a single character to judge by; half of it with two, and so on.</summary>
    private const double LeadOfOne = 0.35;

    /// <summary>As <see cref="LeadOfOne"/>, for encodings of thousands of characters: almost any two bytes are one of them.</summary>
    private const double LeadOfOneOfMany = 1.2;

    private const float DetectorConfidence = 0.8f;

    private const int SampleBytes = 256 * 1024;

    /// <summary>The code pages that are tried; the second one of a pair of relatives has fewer users.</summary>
    private static readonly int[] CodePages =
        [932, 51932, 54936, 950, 949, 1252, 28605, 1250, 28592, 1251, 20866, 21866, 866, 28595, 1253, 28597, 1254, 1255, 1256, 1257, 874];

    /// <summary>The detector knows scripts, but tells the encodings of accented letters apart by little more than chance.</summary>
    private static readonly int[] LatinCodePages = [1250, 1252, 1254, 1257, 28592, 28605];

    /// <summary>Decodes text that is not UTF-8.</summary>
    /// <param name="content">The bytes.</param>
    /// <param name="name">The file's name, for messages.</param>
    /// <param name="invalid">The offset of the first byte that is not UTF-8, for messages.</param>
    /// <exception cref="DocumentFormatException">No encoding, or more than one, makes sense.</exception>
    internal static string Decode(byte[] content, string name, int invalid)
    {
        var sample = Sample(content);
        var readings = new List<Reading>();
        foreach (var encoding in CodePages.Select(TextDecoder.CodePage).Append(TextDecoder.Utf16(false)).Append(TextDecoder.Utf16(true)))
        {
            if (Read(encoding, sample) is { } reading && !readings.Exists(other => other.Text == reading.Text))
                readings.Add(reading);
        }

        readings.Sort((x, y) => y.Plausibility.CompareTo(x.Plausibility));
        if (readings.Count == 0 || readings[0].Plausibility < LeastPlausibility)
            throw Undecided(name, invalid, "nor text in any other encoding that is known here");
        var best = readings[0];
        var rivals = readings.FindAll(other => other == best || !IsAhead(best, other));
        if (rivals.Count > 1)
            best = Detected(sample, rivals)
                ?? throw Undecided(name, invalid, $"and could be {string.Join(" or ", rivals.Select(rival => rival.Encoding.WebName))}");
        return TextDecoder.DecodeStrictly(best.Encoding, content, name);
    }

    /// <summary>Whether a reading is better than another by enough, at the characters in which they differ.</summary>
    private static bool IsAhead(Reading best, Reading other)
    {
        int all = best.Text.Count(c => c >= 0x80), different = all;
        if (best.Text.Length == other.Text.Length)
            different = best.Text.Zip(other.Text).Count(pair => pair.First != pair.Second);
        double lead = Lead + ((best.Encoding.IsSingleByte ? LeadOfOne : LeadOfOneOfMany) / different);
        return (best.Plausibility - other.Plausibility) * all / different >= lead;
    }

    private static Reading? Read(Encoding encoding, byte[] sample)
    {
        try
        {
            var text = encoding.GetString(sample);
            // East Asian encodings have some characters twice, so the text is compared and not the bytes.
            return TextPlausibility.IsClean(text) && encoding.GetString(encoding.GetBytes(text)) == text
                ? new Reading(encoding, text, TextPlausibility.Of(text)) : null;
        }
        catch (Exception error) when (error is DecoderFallbackException or EncoderFallbackException)
        {
            return null;
        }
    }

    private static Reading? Detected(byte[] sample, List<Reading> rivals)
    {
        if (CharsetDetector.DetectFromBytes(sample).Detected is not { Confidence: >= DetectorConfidence } detected
            || TextDecoder.Named(detected.EncodingName) is not { } encoding || LatinCodePages.Contains(encoding.CodePage))
            return null;
        return rivals.Find(rival => rival.Encoding.CodePage == encoding.CodePage);
    }

    /// <summary>The beginning, up to a line's end.</summary>
    private static byte[] Sample(byte[] content)
    {
        if (content.Length <= SampleBytes)
            return content;
        int end = content.AsSpan(0, SampleBytes).LastIndexOf((byte)'\n');
        return content[..(end > 0 ? end + 1 : SampleBytes)];
    }

    private static DocumentFormatException Undecided(string name, int invalid, string rest)
        => new($"'{name}' is not UTF-8 (first invalid byte at offset {invalid}) {rest}; save it as UTF-8.");

    private sealed record Reading(Encoding Encoding, string Text, double Plausibility);
}
