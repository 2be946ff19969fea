using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Text;

namespace Kotonoha.Foundation.Unicode;

/// <summary>
/// Properties of code points from a checked-in table of the Unicode Character Database, so that text results depend neither on the
/// machine nor on the runtime's version. Code points are 0 to 0x10FFFF, surrogates included.
/// </summary>
public static class UnicodeData
{
    private const int BlockSize = 128;
    private const int BlockCount = 0x110000 / BlockSize;
    private static readonly Tables Data = Load();

    /// <summary>The version of the Unicode Character Database, for example <c>15.0.0</c>.</summary>
    public static string Version => Data.Version;

    /// <summary>The general category.</summary>
    /// <param name="codePoint">A code point.</param>
    /// <returns>The category; <see cref="UnicodeCategory.OtherNotAssigned"/> for what is unassigned.</returns>
    public static UnicodeCategory GetCategory(int codePoint) => (UnicodeCategory)(Properties(codePoint) & 31);

    /// <summary>Whether the code point is a letter (categories L*).</summary>
    /// <param name="codePoint">A code point.</param>
    /// <returns>True for a letter.</returns>
    public static bool IsLetter(int codePoint) => (Properties(codePoint) & 31) <= (int)UnicodeCategory.OtherLetter;

    /// <summary>Whether the code point is a mark (categories M*).</summary>
    /// <param name="codePoint">A code point.</param>
    /// <returns>True for a mark.</returns>
    public static bool IsMark(int codePoint)
        => (Properties(codePoint) & 31) is >= (int)UnicodeCategory.NonSpacingMark and <= (int)UnicodeCategory.EnclosingMark;

    /// <summary>Whether the code point is a number (categories N*).</summary>
    /// <param name="codePoint">A code point.</param>
    /// <returns>True for a number.</returns>
    public static bool IsNumber(int codePoint)
        => (Properties(codePoint) & 31) is >= (int)UnicodeCategory.DecimalDigitNumber and <= (int)UnicodeCategory.OtherNumber;

    /// <summary>Whether the code point is punctuation (categories P*).</summary>
    /// <param name="codePoint">A code point.</param>
    /// <returns>True for punctuation.</returns>
    public static bool IsPunctuation(int codePoint)
        => (Properties(codePoint) & 31) is >= (int)UnicodeCategory.ConnectorPunctuation and <= (int)UnicodeCategory.OtherPunctuation;

    /// <summary>Whether the code point has the property White_Space.</summary>
    /// <param name="codePoint">A code point.</param>
    /// <returns>True for white space.</returns>
    public static bool IsWhiteSpace(int codePoint) => (Properties(codePoint) & 32) != 0;

    /// <summary>Whether the code point's script is Han, Hiragana or Katakana (the prolonged sound mark included).</summary>
    /// <param name="codePoint">A code point.</param>
    /// <returns>True for kanji and kana.</returns>
    public static bool IsKanjiOrKana(int codePoint) => (Properties(codePoint) & 64) != 0;

    /// <summary>The canonical combining class, 0 for starters.</summary>
    /// <param name="codePoint">A code point.</param>
    /// <returns>0 to 254.</returns>
    public static int GetCombiningClass(int codePoint) => Data.CombiningClasses[codePoint];

    /// <summary>Whether no normalisation form joins this code point, or anything it decomposes to, with what comes before it.</summary>
    /// <param name="codePoint">A code point.</param>
    /// <returns>True where a text may be cut before the code point and its parts normalised apart.</returns>
    public static bool IsNormalizationBoundary(int codePoint) => (Properties(codePoint) & 128) != 0;

    /// <summary>The simple case folding: one code point for one, as regular expressions compare when they ignore case.</summary>
    /// <param name="codePoint">A code point.</param>
    /// <returns>What it folds to; itself where it has no folding.</returns>
    public static int SimpleFolding(int codePoint) => codePoint switch
    {
        // The tables hold full foldings. Of those to several characters, these few have a simple one too (status S of CaseFolding.txt).
        0x1E9E => 0xDF,
        (>= 0x1F88 and <= 0x1F8F) or (>= 0x1F98 and <= 0x1F9F) or (>= 0x1FA8 and <= 0x1FAF) => codePoint - 8,
        0x1FBC or 0x1FCC or 0x1FFC => codePoint - 9,
        _ => Folding(codePoint) is [var single] ? single : codePoint,
    };

    /// <summary>The script (property Script), for example <c>Latin</c> or <c>Old_Italic</c>.</summary>
    /// <param name="codePoint">A code point.</param>
    /// <returns>The name as Scripts.txt spells it; <c>Unknown</c> for what is in no script.</returns>
    public static string GetScript(int codePoint) => Data.ScriptNames[Data.Scripts[codePoint]];

    /// <summary>All scripts by their long names.</summary>
    internal static IReadOnlyList<string> Scripts => Data.ScriptNames;

    /// <summary>Ten times the Unicode version that assigned the code point, for example 121 for 12.1.</summary>
    /// <param name="codePoint">A code point.</param>
    /// <returns>The age; 0 for what is unassigned.</returns>
    public static int GetAge(int codePoint) => Data.Ages[codePoint];

    /// <summary>How the code point takes part in grapheme clusters.</summary>
    /// <param name="codePoint">A code point.</param>
    /// <returns>The class.</returns>
    public static GraphemeBreakClass GetGraphemeBreakClass(int codePoint) => (GraphemeBreakClass)Data.GraphemeBreaks[codePoint];

    /// <summary>The full lower-case mapping that holds without conditions.</summary>
    /// <param name="codePoint">A code point.</param>
    /// <returns>The code points, or an empty span where the code point stays as it is.</returns>
    public static ReadOnlySpan<int> GetLowerCase(int codePoint) => Data.Mapping(Data.LowerCases[codePoint]);

    /// <summary>The full decomposition in canonical order.</summary>
    /// <param name="codePoint">A code point other than a Hangul syllable, whose decomposition is arithmetic.</param>
    /// <param name="compatibility">Whether compatibility mappings count too.</param>
    /// <returns>The code points, or an empty span where the code point stays as it is.</returns>
    public static ReadOnlySpan<int> Decomposition(int codePoint, bool compatibility)
        => Data.Mapping((compatibility ? Data.Compatible : Data.Canonical)[codePoint]);

    /// <summary>The full case folding, or an empty span where the code point folds to itself.</summary>
    internal static ReadOnlySpan<int> Folding(int codePoint) => Data.Mapping(Data.Foldings[codePoint]);

    /// <summary>The primary composite of two code points; Hangul is left to the caller.</summary>
    /// <param name="first">A code point.</param>
    /// <param name="second">A code point.</param>
    /// <returns>The composite, or -1.</returns>
    public static int Compose(int first, int second)
        => Data.Compositions.TryGetValue(((long)first << 32) | (uint)second, out int result) ? result : -1;

    private static byte Properties(int codePoint) => Data.Properties[codePoint];

    private static Tables Load()
    {
        using var resource = typeof(UnicodeData).Assembly.GetManifestResourceStream("Kotonoha.Foundation.Unicode.unicode.bin")!;
        using var inflate = new DeflateStream(resource, CompressionMode.Decompress);
        using var memory = new MemoryStream();
        inflate.CopyTo(memory);
        return new Tables(memory.GetBuffer().AsSpan(0, (int)memory.Length));
    }

    /// <summary>A two-stage table: a block number for every 128 code points, then the blocks that differ.</summary>
    private readonly struct StageTable<T>
    {
        private readonly ushort[] _blocks;
        private readonly T[] _values;

        public StageTable(ushort[] blocks, T[] values) => (_blocks, _values) = (blocks, values);

        public T this[int codePoint] => _values[(_blocks[codePoint >> 7] << 7) | (codePoint & (BlockSize - 1))];
    }

    private sealed class Tables
    {
        private readonly int[][] _mappings;

        public Tables(ReadOnlySpan<byte> data)
        {
            Version = Encoding.ASCII.GetString(data.Slice(1, data[0]));
            data = data[(1 + data[0])..];
            Properties = ReadBytes(ref data);
            CombiningClasses = ReadBytes(ref data);
            Canonical = ReadShorts(ref data);
            Compatible = ReadShorts(ref data);
            Foldings = ReadShorts(ref data);
            _mappings = new int[BinaryPrimitives.ReadUInt16LittleEndian(data)][];
            data = data[2..];
            for (int i = 0; i < _mappings.Length; i++)
            {
                int length = data[0];
                data = data[1..];
                _mappings[i] = new int[length];
                for (int j = 0; j < length; j++)
                    _mappings[i][j] = BinaryPrimitives.ReadInt32LittleEndian(data[(4 * j)..]);
                data = data[(4 * length)..];
            }

            int count = BinaryPrimitives.ReadInt32LittleEndian(data);
            Compositions = new Dictionary<long, int>(count);
            for (int i = 0; i < count; i++)
            {
                var row = data.Slice(4 + 12 * i, 12);
                long first = BinaryPrimitives.ReadInt32LittleEndian(row), second = BinaryPrimitives.ReadInt32LittleEndian(row[4..]);
                Compositions[(first << 32) | second] = BinaryPrimitives.ReadInt32LittleEndian(row[8..]);
            }

            data = data[(4 + 12 * count)..];
            LowerCases = ReadShorts(ref data);
            Scripts = ReadBytes(ref data);
            ScriptNames = new string[data[0]];
            data = data[1..];
            for (int i = 0; i < ScriptNames.Length; i++)
            {
                ScriptNames[i] = Encoding.ASCII.GetString(data.Slice(1, data[0]));
                data = data[(1 + data[0])..];
            }

            GraphemeBreaks = ReadBytes(ref data);
            Ages = ReadBytes(ref data);
        }

        public string Version { get; }

        public StageTable<byte> Properties { get; }

        public StageTable<byte> CombiningClasses { get; }

        public StageTable<ushort> Canonical { get; }

        public StageTable<ushort> Compatible { get; }

        public StageTable<ushort> Foldings { get; }

        public Dictionary<long, int> Compositions { get; }

        public StageTable<ushort> LowerCases { get; }

        public StageTable<byte> Scripts { get; }

        public string[] ScriptNames { get; }

        public StageTable<byte> GraphemeBreaks { get; }

        public StageTable<byte> Ages { get; }

        public ReadOnlySpan<int> Mapping(ushort number) => number == 0 ? [] : _mappings[number - 1];

        private static StageTable<byte> ReadBytes(ref ReadOnlySpan<byte> data)
        {
            var blocks = ReadBlocks(ref data, out int count);
            var values = data[..(count * BlockSize)].ToArray();
            data = data[values.Length..];
            return new StageTable<byte>(blocks, values);
        }

        private static StageTable<ushort> ReadShorts(ref ReadOnlySpan<byte> data)
        {
            var blocks = ReadBlocks(ref data, out int count);
            var values = new ushort[count * BlockSize];
            for (int i = 0; i < values.Length; i++)
                values[i] = BinaryPrimitives.ReadUInt16LittleEndian(data[(2 * i)..]);
            data = data[(2 * values.Length)..];
            return new StageTable<ushort>(blocks, values);
        }

        private static ushort[] ReadBlocks(ref ReadOnlySpan<byte> data, out int count)
        {
            count = BinaryPrimitives.ReadUInt16LittleEndian(data);
            var blocks = new ushort[BlockCount];
            for (int i = 0; i < BlockCount; i++)
                blocks[i] = BinaryPrimitives.ReadUInt16LittleEndian(data[(2 + 2 * i)..]);
            data = data[(2 + 2 * BlockCount)..];
            return blocks;
        }
    }
}
