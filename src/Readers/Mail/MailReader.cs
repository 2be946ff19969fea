using System.Globalization;
using MimeKit;

namespace Kotonoha.Readers;

/// <summary>Reads e-mail messages: subject, senders, date, the text (that of the HTML part where there is no other), and the names of
/// attachments; attachments that are text are read too.</summary>
internal sealed class MailReader : IDocumentReader
{
    private const int MaxMessageDepth = 3;

    /// <summary>The attachments that are read; larger formats are documents of their own.</summary>
    private static readonly HashSet<string> ReadAttachments = new(StringComparer.OrdinalIgnoreCase)
        { ".txt", ".text", ".md", ".markdown", ".html", ".htm", ".csv", ".tsv", ".json" };

    /// <inheritdoc/>
    public string MediaType => "message/rfc822";

    /// <inheritdoc/>
    public IReadOnlyList<string> Extensions { get; } = [".eml"];

    /// <inheritdoc/>
    public async ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        var options = ParserOptions.Default.Clone();
        options.MaxMimeDepth = 64;
        MimeMessage message;
        try
        {
            message = await MimeMessage.LoadAsync(options, new MemoryStream(content, writable: false), cancellationToken)
                .ConfigureAwait(false);
        }
        catch (FormatException error)
        {
            throw new DocumentFormatException($"'{name}' is no e-mail message: {error.Message}", error);
        }

        using (message)
        {
            if (message.Headers.Count == 0)
                throw new DocumentFormatException($"'{name}' is no e-mail message: it has no headers.");
            var builder = new ExtractedTextBuilder(name);
            var remarks = new List<string>();
            await AddAsync(message, builder, name, remarks, 0, cancellationToken).ConfigureAwait(false);
            return builder.Build(message.Subject, MediaType) with { Remarks = remarks };
        }
    }

    private static async Task AddAsync(
        MimeMessage message, ExtractedTextBuilder builder, string name, List<string> remarks, int depth,
        CancellationToken cancellationToken)
    {
        builder.AddHeading(depth + 1, message.Subject ?? "");
        var head = new List<string>();
        AddAddresses("From", message.From);
        AddAddresses("To", message.To);
        AddAddresses("Cc", message.Cc);
        if (message.Headers.Contains(HeaderId.Date) && message.Date != default)
            head.Add("Date: " + message.Date.ToString("yyyy-MM-dd HH:mm zzz", CultureInfo.InvariantCulture));
        var attachments = message.Attachments.ToList();
        head.AddRange(attachments.Select(attachment => $"Attachment: {NameOf(attachment)}"));
        builder.Add(BlockKind.Paragraph, string.Join('\n', head));

        var parts = message.BodyParts.OfType<TextPart>().Where(part => !part.IsAttachment).ToList();
        var plain = parts.Where(part => part.IsPlain || part.IsFlowed).ToList();
        bool hasText = false;
        foreach (var part in plain)
        {
            var text = TextDecoder.Decode(Bytes(part, cancellationToken), name, part.ContentType.Charset);
            hasText |= !string.IsNullOrWhiteSpace(text);
            AddParagraphs(builder, text);
        }

        if (!hasText)
        {
            foreach (var part in parts.Where(part => part.IsHtml))
            {
                var bytes = Bytes(part, cancellationToken);
                var html = TextDecoder.Decode(bytes, name, part.ContentType.Charset ?? HtmlReader.DeclaredCharset(bytes));
                HtmlTextExtractor.Extract(html, builder, name, cancellationToken);
            }
        }

        foreach (var attachment in attachments)
            await AddAttachmentAsync(attachment, builder, name, remarks, depth, cancellationToken).ConfigureAwait(false);
        foreach (var inner in message.BodyParts.OfType<MessagePart>().Where(part => !part.IsAttachment && part.Message is not null))
            if (depth < MaxMessageDepth)
                await AddAsync(inner.Message!, builder, name, remarks, depth + 1, cancellationToken).ConfigureAwait(false);

        void AddAddresses(string label, InternetAddressList addresses)
        {
            if (addresses.Count > 0)
                head.Add($"{label}: {string.Join(", ", addresses.Select(address => address.ToString()))}");
        }
    }

    private static async Task AddAttachmentAsync(
        MimeEntity attachment, ExtractedTextBuilder builder, string name, List<string> remarks, int depth,
        CancellationToken cancellationToken)
    {
        if (attachment is MessagePart { Message: { } inner })
        {
            if (depth < MaxMessageDepth)
                await AddAsync(inner, builder, name, remarks, depth + 1, cancellationToken).ConfigureAwait(false);
            return;
        }

        var file = NameOf(attachment);
        if (attachment is not MimePart part || !ReadAttachments.Contains(Path.GetExtension(file))
            || !DocumentReaders.InProcess.TryGet(file, out var reader))
        {
            remarks.Add($"the attachment '{file}' was not read");
            return;
        }

        try
        {
            var document = await reader.ReadAsync(Bytes(part, cancellationToken), file, cancellationToken).ConfigureAwait(false);
            builder.AddHeading(depth + 2, file);
            foreach (var block in document.Blocks)
                builder.Add(block.Kind == BlockKind.Heading ? BlockKind.Paragraph : block.Kind, document.Text[block.Start..block.End]);
        }
        catch (DocumentFormatException error)
        {
            remarks.Add($"the attachment '{file}' could not be read: {error.Message}");
        }
    }

    private static void AddParagraphs(ExtractedTextBuilder builder, string text)
    {
        foreach (var paragraph in PlainTextReader.Paragraphs(ExtractedTextBuilder.Clean(text)))
            builder.Add(BlockKind.Paragraph, paragraph);
    }

    private static string NameOf(MimeEntity attachment)
        => attachment.ContentDisposition?.FileName ?? attachment.ContentType.Name
            ?? (attachment is MessagePart { Message.Subject: { } subject } ? subject : attachment.ContentType.MimeType);

    private static byte[] Bytes(MimePart part, CancellationToken cancellationToken)
    {
        using var bytes = new MemoryStream();
        part.Content?.DecodeTo(bytes, cancellationToken);
        return bytes.ToArray();
    }
}
