#include "objstore/s3/s3_xml.h"

#include <charconv>
#include <pugixml.hpp>

#include "objstore/s3/http_date.h"
#include "objstore/s3/uri.h"

namespace akidb::s3 {
namespace {

constexpr size_t kErrorTextBytesMax = 512;
constexpr size_t kIdBytesMax = 4096;
constexpr size_t kTokenBytesMax = 16384;

Status NotS3(const std::string& why) {
  return FailedPrecondition("the answer is not what S3 would say: " + why).WithReason("not_s3");
}

// The document if its root is `root`.
class Document {
 public:
  static Result<Document> Parse(std::string_view xml, const char* root) {
    if (xml.size() > kXmlBytesMax) {
      return std::unexpected(
          NotS3(std::to_string(xml.size()) + " bytes of XML, the limit is " + std::to_string(kXmlBytesMax)));
    }
    Document out;
    if (!out.document_->load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8)) {
      return std::unexpected(NotS3("no XML where <" + std::string(root) + "> was expected"));
    }
    out.root_ = out.document_->document_element();
    if (std::string_view(out.root_.name()) != root) {
      return std::unexpected(
          NotS3("<" + std::string(out.root_.name()).substr(0, 64) + "> where <" + root + "> was expected"));
    }
    return out;
  }
  pugi::xml_node root() const { return root_; }

 private:
  std::unique_ptr<pugi::xml_document> document_ = std::make_unique<pugi::xml_document>();
  pugi::xml_node root_;
};

std::string_view Text(pugi::xml_node parent, const char* name) { return parent.child(name).text().get(); }

bool IsTrue(pugi::xml_node parent, const char* name) { return Text(parent, name) == "true"; }

// Messages come from outside: short, and without control characters.
std::string Printable(std::string_view text) {
  std::string out(text.substr(0, kErrorTextBytesMax));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return out;
}

// What goes into a header or a query later must not break out of it.
bool IsToken(std::string_view text, size_t size_max) {
  if (text.empty() || text.size() > size_max) return false;
  for (const char c : text) {
    if (c <= 0x20 || c > 0x7E) return false;
  }
  return true;
}

ErrorXml ToError(pugi::xml_node node) {
  return {Printable(Text(node, "Code")), Printable(Text(node, "Message")), Printable(Text(node, "Region"))};
}

Result<ObjectMeta> ToObject(pugi::xml_node node) {
  ObjectMeta meta;
  std::optional<std::string> key = UriDecode(Text(node, "Key"));
  if (!key || key->empty() || key->size() > kObjectKeyBytesMax) return std::unexpected(NotS3("a listed key is broken"));
  meta.key = std::move(*key);
  const std::string_view size = Text(node, "Size");
  const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), meta.size_bytes);
  if (error != std::errc() || end != size.data() + size.size())
    return std::unexpected(NotS3("a listed size is broken"));
  meta.etag = Text(node, "ETag");
  const std::optional<WallTime> modified = ParseIsoDate(Text(node, "LastModified"));
  if (!modified) return std::unexpected(NotS3("a listed date is broken"));
  meta.modified_at = *modified;
  return meta;
}

}  // namespace

std::optional<ErrorXml> ParseErrorXml(std::string_view xml) {
  if (xml.empty() || xml.size() > kXmlBytesMax) return std::nullopt;
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8)) return std::nullopt;
  pugi::xml_node root = document.document_element();
  if (std::string_view(root.name()) == "ErrorResponse") root = root.child("Error");
  if (std::string_view(root.name()) != "Error" || Text(root, "Code").empty()) return std::nullopt;
  return ToError(root);
}

Result<ListXml> ParseListXml(std::string_view xml) {
  AKI_ASSIGN_OR_RETURN(const Document document, Document::Parse(xml, "ListBucketResult"));
  ListXml out;
  out.truncated = IsTrue(document.root(), "IsTruncated");
  for (const pugi::xml_node node : document.root().children("Contents")) {
    if (out.objects.size() == kListKeysMax) return std::unexpected(NotS3("more than 1000 keys in one page"));
    AKI_ASSIGN_OR_RETURN(ObjectMeta meta, ToObject(node));
    out.objects.push_back(std::move(meta));
  }
  return out;
}

Result<UploadsXml> ParseUploadsXml(std::string_view xml) {
  AKI_ASSIGN_OR_RETURN(const Document document, Document::Parse(xml, "ListMultipartUploadsResult"));
  UploadsXml out;
  out.truncated = IsTrue(document.root(), "IsTruncated");
  out.next_key_marker = UriDecode(Text(document.root(), "NextKeyMarker")).value_or("");
  out.next_upload_id_marker = Text(document.root(), "NextUploadIdMarker");
  for (const pugi::xml_node node : document.root().children("Upload")) {
    if (out.uploads.size() == kListKeysMax) return std::unexpected(NotS3("more than 1000 uploads in one page"));
    const std::optional<std::string> key = UriDecode(Text(node, "Key"));
    const std::optional<WallTime> initiated = ParseIsoDate(Text(node, "Initiated"));
    if (!key || !initiated || !IsToken(Text(node, "UploadId"), kIdBytesMax)) {
      return std::unexpected(NotS3("a listed upload is broken"));
    }
    out.uploads.push_back({*key, std::string(Text(node, "UploadId")), *initiated});
  }
  return out;
}

Result<VersionsXml> ParseVersionsXml(std::string_view xml) {
  AKI_ASSIGN_OR_RETURN(const Document document, Document::Parse(xml, "ListVersionsResult"));
  VersionsXml out;
  out.truncated = IsTrue(document.root(), "IsTruncated");
  out.next_key_marker = UriDecode(Text(document.root(), "NextKeyMarker")).value_or("");
  out.next_version_id_marker = Text(document.root(), "NextVersionIdMarker");
  for (const pugi::xml_node node : document.root()) {
    const std::string_view kind = node.name();
    if (kind != "Version" && kind != "DeleteMarker") continue;
    if (out.versions.size() == kListKeysMax) return std::unexpected(NotS3("more than 1000 versions in one page"));
    const std::optional<std::string> key = UriDecode(Text(node, "Key"));
    if (!key || key->empty() || key->size() > kObjectKeyBytesMax || !IsToken(Text(node, "VersionId"), kIdBytesMax)) {
      return std::unexpected(NotS3("a listed version is broken"));
    }
    out.versions.push_back({*key, std::string(Text(node, "VersionId"))});
  }
  return out;
}

Result<std::string> ParseInitiateXml(std::string_view xml) {
  AKI_ASSIGN_OR_RETURN(const Document document, Document::Parse(xml, "InitiateMultipartUploadResult"));
  const std::string_view id = Text(document.root(), "UploadId");
  if (!IsToken(id, kIdBytesMax)) return std::unexpected(NotS3("the upload id is broken"));
  return std::string(id);
}

Result<CompleteXml> ParseCompleteXml(std::string_view xml) {
  CompleteXml out;
  out.error = ParseErrorXml(xml);
  if (out.error) return out;
  AKI_ASSIGN_OR_RETURN(const Document document, Document::Parse(xml, "CompleteMultipartUploadResult"));
  out.etag = Text(document.root(), "ETag");
  if (!IsToken(out.etag, kIdBytesMax)) return std::unexpected(NotS3("the completed upload has no etag"));
  return out;
}

Result<Credentials> ParseStsXml(std::string_view xml) {
  for (const char* const call : {"AssumeRole", "AssumeRoleWithWebIdentity"}) {
    const Result<Document> document = Document::Parse(xml, (std::string(call) + "Response").c_str());
    if (!document) continue;
    const pugi::xml_node node = document->root().child((std::string(call) + "Result").c_str()).child("Credentials");
    Credentials out;
    out.access_key = Text(node, "AccessKeyId");
    out.secret_key = Text(node, "SecretAccessKey");
    out.session_token = Text(node, "SessionToken");
    const std::optional<WallTime> expires = ParseIsoDate(Text(node, "Expiration"));
    if (!expires || !IsToken(out.access_key, kTokenBytesMax) || !IsToken(out.secret_key, kTokenBytesMax) ||
        !IsToken(out.session_token, kTokenBytesMax)) {
      return std::unexpected(NotS3("the issued credentials are incomplete"));
    }
    out.expires_at = *expires;
    return out;
  }
  return std::unexpected(NotS3("no issued credentials"));
}

Result<std::string> ParseVersioningXml(std::string_view xml) {
  AKI_ASSIGN_OR_RETURN(const Document document, Document::Parse(xml, "VersioningConfiguration"));
  return std::string(Text(document.root(), "Status"));
}

std::string_view LockModeName(LockMode mode) {
  switch (mode) {
    case LockMode::kGovernance: return "GOVERNANCE";
    case LockMode::kCompliance: return "COMPLIANCE";
    case LockMode::kNone: break;
  }
  return "";
}

std::optional<LockMode> ParseLockMode(std::string_view text) {
  for (const LockMode mode : {LockMode::kNone, LockMode::kGovernance, LockMode::kCompliance}) {
    if (text == LockModeName(mode)) return mode;
  }
  return std::nullopt;
}

Result<ObjectLockXml> ParseObjectLockXml(std::string_view xml) {
  constexpr uint32_t kDaysPerYear = 365;
  AKI_ASSIGN_OR_RETURN(const Document document, Document::Parse(xml, "ObjectLockConfiguration"));
  ObjectLockXml out;
  out.enabled = Text(document.root(), "ObjectLockEnabled") == "Enabled";
  const pugi::xml_node rule = document.root().child("Rule").child("DefaultRetention");
  const std::optional<LockMode> mode = ParseLockMode(Text(rule, "Mode"));
  const unsigned days = rule.child("Days").text().as_uint();
  const unsigned years = rule.child("Years").text().as_uint();
  if (!mode || days > 36500 || years > 100) return std::unexpected(NotS3("the default retention is broken"));
  out.default_mode = *mode;
  out.default_days = days + years * kDaysPerYear;
  return out;
}

Result<RetentionXml> ParseRetentionXml(std::string_view xml) {
  AKI_ASSIGN_OR_RETURN(const Document document, Document::Parse(xml, "Retention"));
  RetentionXml out;
  const std::optional<LockMode> mode = ParseLockMode(Text(document.root(), "Mode"));
  if (!mode) return std::unexpected(NotS3("the retention has another mode"));
  out.mode = *mode;
  if (out.mode == LockMode::kNone) return out;
  const std::optional<WallTime> until = ParseIsoDate(Text(document.root(), "RetainUntilDate"));
  if (!until) return std::unexpected(NotS3("the retention's date is broken"));
  out.until = *until;
  return out;
}

Result<bool> ParseLegalHoldXml(std::string_view xml) {
  AKI_ASSIGN_OR_RETURN(const Document document, Document::Parse(xml, "LegalHold"));
  return Text(document.root(), "Status") == "ON";
}

std::string XmlEscape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&apos;"; break;
      default: out.push_back(c);
    }
  }
  return out;
}

}  // namespace akidb::s3
