namespace Kotonoha.LocalModel.Models;

/// <summary>The members of BERT's family, which differ in names, positions, token types and heads.</summary>
public enum BertKind
{
    /// <summary>BERT (arXiv:1810.04805).</summary>
    Bert,

    /// <summary>RoBERTa (arXiv:1907.11692) and XLM-RoBERTa (arXiv:1911.02116): positions count from the padding id + 1, one token type.</summary>
    Roberta,

    /// <summary>DistilBERT (arXiv:1910.01108): no token types, no pooler.</summary>
    DistilBert,
}
