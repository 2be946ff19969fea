using System.IO.Compression;
using System.Runtime.InteropServices;
using UglyToad.PdfPig.Filters;
using UglyToad.PdfPig.Tokens;

namespace Kotonoha.Readers.Pdf;

/// <summary>The library's filters, which measure what compressed streams unpack to: the library itself unpacks without a limit, and takes
/// a stream that it cannot unpack for an empty one.</summary>
internal sealed class MeasuredFilters : IFilterProvider
{
    private readonly IFilterProvider _inner = DefaultFilterProvider.Instance;

    /// <summary>Whether a stream would have unpacked to more than <see cref="DocumentLimits.MaxUnpackedBytes"/>; the library got nothing of
    /// it.</summary>
    internal bool IsExceeded { get; private set; }

    /// <summary>Whether a stream was damaged.</summary>
    internal bool IsDamaged { get; set; }

    public IReadOnlyList<IFilter> GetFilters(DictionaryToken dictionary) => Measured(_inner.GetFilters(dictionary));

    public IReadOnlyList<IFilter> GetNamedFilters(IReadOnlyList<NameToken> names) => Measured(_inner.GetNamedFilters(names));

    public IReadOnlyList<IFilter> GetAllFilters() => Measured(_inner.GetAllFilters());

    private IReadOnlyList<IFilter> Measured(IReadOnlyList<IFilter> filters)
        => [.. filters.Select(filter => filter is FlateFilter ? new MeasuredFlate(this, filter) : filter), new EndlessRanges(this)];

    private sealed class MeasuredFlate(MeasuredFilters owner, IFilter inner) : IFilter
    {
        public bool IsSupported => true;

        public Memory<byte> Decode(Memory<byte> input, DictionaryToken streamDictionary, IFilterProvider filterProvider, int filterIndex)
        {
            if (!IsWithinLimit(input))
            {
                owner.IsExceeded = true;
                return Memory<byte>.Empty;
            }

            return inner.Decode(input, streamDictionary, filterProvider, filterIndex);
        }

        private bool IsWithinLimit(Memory<byte> input)
        {
            const int ZlibHeaderBytes = 2;
            if (input.Length <= ZlibHeaderBytes || !MemoryMarshal.TryGetArray<byte>(input, out var bytes))
                return true;
            using var unpacked = new DeflateStream(new MemoryStream(bytes.Array!, bytes.Offset + ZlibHeaderBytes,
                bytes.Count - ZlibHeaderBytes, writable: false), CompressionMode.Decompress);
            var block = new byte[1 << 15];
            long total = 0;
            try
            {
                int count;
                while (total <= DocumentLimits.MaxUnpackedBytes && (count = unpacked.Read(block)) > 0)
                    total += count;
            }
            catch (InvalidDataException)
            {
                owner.IsDamaged = true;
            }

            return total <= DocumentLimits.MaxUnpackedBytes;
        }
    }
}
