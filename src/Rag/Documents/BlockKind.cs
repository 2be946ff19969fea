namespace Kotonoha.Rag.Documents;

/// <summary>What a part of a document is.</summary>
public enum BlockKind
{
    /// <summary>A heading.</summary>
    Heading,

    /// <summary>Running text.</summary>
    Paragraph,

    /// <summary>One item of a list.</summary>
    ListItem,

    /// <summary>A table; one line a row, the first line its header.</summary>
    Table,

    /// <summary>Code or other preformatted text.</summary>
    Code,
}
