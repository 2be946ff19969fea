using System.Xml;

namespace Kotonoha.Readers;

/// <summary>How the XML of documents is read: nothing is fetched, no entity is expanded, and there are limits to size and
/// nesting.</summary>
internal static class SafeXml
{
    /// <summary>Opens XML; broken XML shows while it is read, as an <see cref="XmlException"/>.</summary>
    /// <param name="stream">The bytes; the caller closes it.</param>
    /// <param name="type">What is done with a document type: it is refused, or passed over where old files have one.</param>
    /// <param name="ignoreWhitespace">Whether blanks between elements mean nothing.</param>
    internal static XmlReader Open(Stream stream, DtdProcessing type = DtdProcessing.Prohibit, bool ignoreWhitespace = false)
        => XmlReader.Create(stream, new XmlReaderSettings
        {
            DtdProcessing = type,
            XmlResolver = null,
            MaxCharactersInDocument = DocumentLimits.MaxUnpackedBytes,
            IgnoreComments = true,
            IgnoreWhitespace = ignoreWhitespace,
        });

    /// <summary>Reads XML through and refuses it where it is nested too deep for what works on trees.</summary>
    /// <param name="stream">The bytes; the caller closes it.</param>
    /// <param name="name">The document, for the message.</param>
    /// <param name="type">What is done with a document type.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="DocumentFormatException">It is nested too deep.</exception>
    /// <exception cref="XmlException">It is broken.</exception>
    internal static void CheckNesting(Stream stream, string name, DtdProcessing type, CancellationToken cancellationToken)
    {
        using var reader = Open(stream, type);
        for (int nodes = 0; reader.Read(); nodes++)
        {
            if (reader.Depth > DocumentLimits.MaxNestingDepth)
                throw new DocumentFormatException($"'{name}' nests XML elements more than {DocumentLimits.MaxNestingDepth} deep.");
            if ((nodes & 1023) == 0)
                cancellationToken.ThrowIfCancellationRequested();
        }
    }
}
